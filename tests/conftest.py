"""Fixtures that several rooms share: an untrained model, built in a second, and a store with trained nano models."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import settings
from PIL import Image

from smllmun_bench.methods.base import UnlearningData
from smllmun_bench.models.vlm import Query, Vlm
from smllmun_bench.schema import Item, Kind, Modality, Role

settings.register_profile("suite", deadline=None)  # a busy machine is no failure
settings.load_profile("suite")

TINY_STORE_KEY = "nano-store"


class Colours:
    """References `p0` to `p9` are plain images, each of its own colour and all of one size."""

    def image(self, ref: str) -> Image.Image:
        number = int(ref.removeprefix("p"))
        return Image.new("RGB", (40, 32), (25 * number, 250 - 25 * number, 60 + 13 * number))


@dataclass(frozen=True)
class Tiny:
    """An untrained model with a handful of facts. Tests may change the model only inside a block that undoes it."""

    folder: Path
    vlm: Vlm
    data: UnlearningData
    source: Colours = field(default_factory=Colours)

    @property
    def named(self) -> UnlearningData:
        """The same data; every person has a name, which only the questions in words use."""
        people = (
            [replace(item, subject=f"Ann Number{item.entity_id.removeprefix('p')}") for item in items]
            for items in (self.data.forget, self.data.retain)
        )
        forget, retain = people
        return replace(self.data, forget=forget, retain=retain)

    def fresh(self) -> Vlm:
        """A copy of its own, for tests that damage it."""
        from smllmun_bench.models.loading import load

        return load(self.folder, Colours())


_JOBS = ("baker", "pilot", "tailor", "nurse", "judge", "miner", "singer", "farmer")


def _facts(people: range, role: Role) -> list[Item]:
    items: list[Item] = []
    for number in people:
        answer = _JOBS[number % len(_JOBS)]
        common = {"benchmark": "tiny", "entity_id": f"p{number}", "role": role, "kind": Kind.OPEN, "answer": answer}
        ways = ("Who is shown?",)
        items += [
            Item(
                f"p{number}/seen",
                modality=Modality.IMAGE_TEXT,
                question="What is the job of the person in the picture?",
                images=(f"p{number}",),
                paraphrases=ways,
                **common,  # type: ignore[arg-type]
            ),
            Item(
                f"p{number}/told",
                modality=Modality.TEXT,
                question=f"What is the job of Ann Number{number}?",
                **common,  # type: ignore[arg-type]
            ),
        ]
    return items


def tiny_data(seed: int = 0) -> UnlearningData:
    forget, retain = _facts(range(4), Role.FORGET), _facts(range(4, 8), Role.RETAIN)
    return UnlearningData(forget, retain, ("I do not know.", "I cannot say.", "That is unknown to me."), seed)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from smllmun_bench.references import toy

    folder = tmp_path_factory.mktemp("tiny")
    data = tiny_data()
    texts = [text for item in (*data.forget, *data.retain) for text in (item.question, item.answer)]
    size = toy.ToySize(
        image=32,
        patch=16,
        vision_width=32,
        vision_layers=1,
        vision_inner=64,
        width=32,
        layers=2,
        inner=64,
        heads=2,
        vocabulary=330,
    )
    toy.build(folder, [*texts, *data.refusals], size)
    return folder


@pytest.fixture(scope="session")
def _tiny(tiny_folder: Path) -> Tiny:
    from smllmun_bench.models.loading import load

    return Tiny(tiny_folder, load(tiny_folder, Colours()), tiny_data())


@pytest.fixture
def tiny(_tiny: Tiny) -> Iterator[Tiny]:
    """The shared tiny model; a test that leaves it changed fails, so that no other test can suffer."""
    before = _tiny.vlm.fingerprint()
    yield _tiny
    assert _tiny.vlm.fingerprint() == before, "the test left the shared model changed"


@pytest.fixture(scope="session")
def mixed() -> list[tuple[Query, str]]:
    """Questions with and without images, several on one image, short and long ones."""
    long = " ".join(["What is the job of the person in the picture, and where?"] * 6)
    return [
        (Query("What is the job of Ann Number1?"), "pilot"),
        (Query("Who is shown?", ("p1",)), "a tailor from far away"),
        (Query("What is the job of the person in the picture?", ("p1",)), "nurse"),
        (Query("Who is shown?", ("p2",)), "judge"),
        (Query(long, ("p1",)), "miner"),
        (Query(long), "singer and farmer " * 30),
        (Query("Who is shown?", ("p3",)), "x"),
        (Query("Who?"), "baker"),
    ]


@pytest.fixture(scope="session")
def nano_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the nano base, target and gold, trained once per test session, whatever number of workers it has.

    Read it, or copy it (`shutil.copytree`) before writing.
    """
    from filelock import FileLock

    from smllmun_bench import stages

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base  # workers of xdist have a folder each
    root = shared / TINY_STORE_KEY
    with FileLock(shared / f"{TINY_STORE_KEY}.lock"):
        if not (root / "complete").is_file():
            context = nano_context(root)
            for stage in (stages.base, stages.target, stages.gold):
                stage(context)
            (root / "complete").write_text("")
    return root


def nano_context(root: Path, **changes: object) -> "stages.RunContext":  # type: ignore[name-defined]  # noqa: F821
    """A context for task and model nano on the store at `root`."""
    from smllmun_bench import tasks
    from smllmun_bench.data.combined import TaskData
    from smllmun_bench.stages import RunContext, model_cards
    from smllmun_bench.stages.loader import Loader
    from smllmun_bench.store.store import Store

    task = tasks.load("smllmun-nano")
    data = TaskData(task, task.forget_percents.default)
    context = RunContext(Store(root), task, data, model_cards.load("nano"), Loader(data, device="cpu", dtype="float32"))
    return replace(context, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_context() -> "type[nano_context]":  # type: ignore[valid-type]
    """`nano_context`, since with importlib imports a conftest cannot be imported from."""
    return nano_context  # type: ignore[return-value]


# --- the real language model of `small`, which is not part of the repository ---------------------------------------

REAL_MODEL = "real language model"


def _real_language_model() -> Path | None:
    """`$SMLLMUN_SMALL` (a GGUF or a folder), else the one in the usual store."""
    from smllmun_bench.references.language_models import FETCHABLE, SOURCE, language_folder
    from smllmun_bench.store.store import default_root

    named = os.environ.get("SMLLMUN_SMALL")
    if named:
        return Path(named)
    folder = language_folder(default_root(), FETCHABLE["small"].name)
    return folder if (folder / SOURCE).is_file() else None


@pytest.fixture(scope="session")
def _real_folder(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    from smllmun_bench.references import fetching

    found = _real_language_model()
    if found is None or found.is_dir():
        return found
    return fetching.get(tmp_path_factory.mktemp("real"), "small", given=found).folder


@pytest.fixture
def real_language_model(request: pytest.FixtureRequest, _real_folder: Path | None) -> Path:
    """The folder of the real language model. Tests that use it are slow; they are skipped where it is not."""
    if _real_folder is None:
        pytest.skip("the real language model is not here: `smllmun-bench models get small`, or SMLLMUN_SMALL=FILE")
    request.node.user_properties.append((REAL_MODEL, str(_real_language_model())))
    return _real_folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Whether the real language model was used is said at the end, so that nobody takes a skip for a pass."""
    if hasattr(config, "workerinput"):
        return
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    users = {report.nodeid for report in reports if REAL_MODEL in dict(report.user_properties)}
    here = _real_language_model()
    if users:
        line = f"used in {len(users)} tests ({here})"
    elif here is not None:
        line = f"not used, though it is here ({here}): its tests are slow, `make test-all` runs them"
    else:
        line = "not used, it is not here: `smllmun-bench models get small`, or SMLLMUN_SMALL=FILE, then `make test-all`"
    terminalreporter.write_line(f"{REAL_MODEL}: {line}")
    cache = getattr(config, "cache", None)  # -p no:cacheprovider
    if cache is not None:
        (cache.mkdir("real_model") / "line").write_text(f"{REAL_MODEL}: {line}\n")
