"""The shipped task files say what the protocol says, and a broken one says what is broken."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from smllmun_bench import resources, tasks
from smllmun_bench.errors import PassedOver, UserError
from smllmun_bench.schema import Direction, Fidelity, Kind, Modality, Role

GROUP = "smllmun_bench.tasks"

SIZES = {
    "smllmun": (1000, 336, 200),
    "smllmun-toy": (200, 48, 200),
    "smllmun-small": (60, 48, 200),
    "smllmun-nano": (24, 48, 26),
}


PUBLISHED = {
    *(f"mllmu-bench/forget-{percent}" for percent in (5, 10, 15)),
    *(f"umu-bench/forget-{percent}" for percent in (5, 10, 15)),
    *(f"{name}/forget-{percent}" for name in ("clear", "tofu") for percent in ("01", "05", "10")),
    *(f"fiubench/forget-{percent}" for percent in (1, 5, 10)),
    "mllmu-bench/mmunlearner-5", "clear/mmunlearner-05", "offside", "safe-eraser", "unlok-vqa", "mlubench",
    "smllmun-official", "mmubench", "pebench",
}  # fmt: skip
ASKING = {
    "mme", "pope", "mmbench", "mmmu", "gqa", "scienceqa", "seed-bench", "vqav2", "vizwiz", "textvqa", "mm-vet",
    "llava-bench", "easy-vqa",
}  # fmt: skip


def test_the_shipped_tasks_are_these() -> None:
    assert set(tasks.names()) == {*SIZES, *PUBLISHED, *ASKING}


def card_of(spec: tasks.TaskSpec) -> str:
    """Every data set has a card with its licence, what it shows of people, and what was not verified."""
    return str(spec.adapter.args.get("name", spec.adapter.name)).replace("-", "_")


@pytest.mark.parametrize("name", sorted(PUBLISHED | ASKING))
def test_a_published_task(name: str) -> None:
    spec = tasks.load(name)
    assert spec.forgets == (name in PUBLISHED)
    assert name == "easy-vqa" or "not shipped" in spec.licence  # no third-party data lies in the package
    assert resources.shipped("tasks").parent.joinpath("docs", "datasets", f"{card_of(spec)}.md").is_file()
    if spec.forgets:
        assert Direction.DOWN in spec.direction[Role.FORGET].values()
        assert spec.general is not None
    else:
        assert spec.roles == (Role.GENERAL,)


def test_the_direction_of_text_knowledge_belongs_to_the_task() -> None:
    """MMUnlearner keeps what the text knows of a forgotten person; MLLMU-Bench, as S-MLLMUn, erases it."""
    ours, theirs = tasks.load("mllmu-bench/forget-5"), tasks.load("mllmu-bench/mmunlearner-5")
    assert ours.adapter == theirs.adapter
    assert ours.direction_of(Role.FORGET, Modality.TEXT) is Direction.DOWN
    assert theirs.direction_of(Role.FORGET, Modality.TEXT) is Direction.UP
    assert theirs.direction_of(Role.FORGET, Modality.IMAGE_TEXT) is Direction.DOWN


def test_names_with_a_folder_have_neighbours_too() -> None:
    with pytest.raises(UserError) as caught:
        tasks.load("clear/forget-5")
    assert str(caught.value) == "unknown task 'clear/forget-5'\n  try  'clear/forget-05'"


def test_a_task_in_a_folder_bears_its_folder_s_name(tmp_path: Path) -> None:
    path = tmp_path / "claer" / "forget-05.yaml"
    path.parent.mkdir()
    path.write_text(tasks.find("clear/forget-05").read_text())
    with pytest.raises(UserError) as caught:
        tasks.check_name(tasks.load(path), path)
    assert "name: claer/forget-05" in caught.value.fix


@pytest.mark.parametrize("name", SIZES)
def test_a_shipped_task(name: str) -> None:
    spec = tasks.load(name)
    profiles, image_size, general = SIZES[name]
    assert (spec.name, spec.version, spec.fidelity) == (name, 1, Fidelity.RECONSTRUCTION)
    assert spec.adapter.name == "smllmun_synthetic"
    assert spec.adapter.args == {"profiles": profiles, "seed": 0, "image_size": image_size}
    assert spec.general == tasks.GeneralPart(adapter="easy_vqa", sample=general, seed=0)
    assert spec.forget_percents.available == (5, 10, 15)
    assert (Kind.PASSAGE in spec.metrics) == (spec.language is not None) == (name == "smllmun-small")
    assert set(spec.metrics) | {Kind.PASSAGE} == set(Kind)
    assert spec.metrics[Kind.OPEN].names[:2] == ("key_fact", "exact")


def test_the_sizes_of_a_task_are_all_that_differs() -> None:
    """One protocol: a change to one file that the others lack is a mistake."""
    own = {"name", "description", "adapter", "forget_percents", "general", "language"}
    first, *others = (tasks.load(name).model_dump(exclude=own) for name in SIZES)
    for other in others:
        other["metrics"].pop(Kind.PASSAGE, None)  # of general language, which only a real language model is asked
        other["direction"].pop(Role.LANGUAGE, None)
        assert other == first


def test_directions_are_those_of_selective_unlearning() -> None:
    spec = tasks.load("smllmun")
    assert spec.direction_of(Role.FORGET, Modality.TEXT) is Direction.DOWN
    assert spec.direction_of(Role.FORGET, Modality.IMAGE_TEXT) is Direction.DOWN
    assert spec.direction_of(Role.UNDERSTANDING_FORGET, Modality.IMAGE_TEXT) is Direction.UP
    assert spec.direction_of(Role.UNDERSTANDING_FORGET, Modality.TEXT) is Direction.NONE
    assert spec.direction_of(Role.REAL, Modality.TEXT) is Direction.NONE
    assert [role for role in spec.roles if spec.direction_of(role, Modality.IMAGE_TEXT) is Direction.DOWN] == [
        Role.FORGET
    ]


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(UserError) as caught:
        tasks.load("smlmun-toy")
    assert str(caught.value) == "unknown task 'smlmun-toy'\n  try  'smllmun-toy'"


def test_a_path_is_read_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(tasks.find("smllmun-toy").read_text())
    assert tasks.load(path) == tasks.load(str(path)) == tasks.load("smllmun-toy")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("prompt: question_only", "promt: question_only", "try 'prompt'"),
        ("forget: {image_text: down, text: down}", "forgt: {image_text: down}", "'forgt' is not one of 'forget'"),
        ("text: down}", "text: dwon}", "'dwon' is not one of 'up', 'down' or 'none'"),
        ("default: 10", "default: 7", "which is not among 'available' [5, 10, 15]"),
        ("[5, 10, 15]", "[10, 5, 15]", "'available' must rise"),
        ("max_new_tokens: 48", "max_new_tokens: 0", "greater than 0"),
        ("also: [exact, ", "also: [key_fact, ", "metric named twice: key_fact"),
        ("general: {adapter", "# general: {adapter", "'general' and 'direction.general' need each other"),
        ("choice: {listed", "# choice: {listed", "'choice' and 'metrics.choice' need each other"),
        ("version: 1", "version: '1'", "valid integer"),
        ("answer: logprob}", "answer: best}", "'best' is not one of 'logprob' or 'generated'"),
        ("licence: CC-BY-4.0", "licence: ''", "at least 1 character"),
        ("seed: 0, image", "seed: [0], image", "adapter.args.seed"),
    ],
)
def test_a_fault_in_a_task_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = tasks.find("smllmun-toy").read_text()
    assert old in text
    path = tmp_path / "task.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        tasks.load(path)
    assert message in str(caught.value)
    assert f"{path}:" in str(caught.value)


def plug_in(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    point = EntryPoint("guest", value, GROUP)
    monkeypatch.setattr(resources, "entry_points", lambda group: [point] if group == GROUP else [])


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "guest_tasks"
    folder.mkdir()
    (folder / "__init__.py").write_text("from pathlib import Path\nFOLDER = Path(__file__).parent\nNUMBER = 3\n")
    (folder / "guest.yaml").write_text(
        tasks.find("smllmun-nano").read_text().replace("name: smllmun-nano", "name: guest")
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "guest_tasks", raising=False)
    return folder


@pytest.mark.parametrize("value", ["guest_tasks", "guest_tasks:FOLDER"])
def test_a_plug_in_brings_tasks(package: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    plug_in(monkeypatch, value)
    assert "guest" in tasks.names()
    assert tasks.load("guest").name == "guest"


def test_a_plug_in_may_not_take_a_name(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package / "guest.yaml").rename(package / "smllmun.yaml")
    plug_in(monkeypatch, "guest_tasks")
    with pytest.warns(PassedOver, match="two tasks are named 'smllmun'"):
        assert tasks.find("smllmun").parent != package


@pytest.mark.parametrize(
    ("value", "what"),
    [("no_such_package", "cannot be loaded: ModuleNotFoundError"), ("guest_tasks:NUMBER", "names no folder: 3")],
)
def test_a_broken_plug_in_is_named(package: Path, monkeypatch: pytest.MonkeyPatch, value: str, what: str) -> None:
    plug_in(monkeypatch, value)
    with pytest.warns(PassedOver, match=what) as caught:
        assert "smllmun-toy" in tasks.names()
    assert "guest" in str(caught[0].message)


def test_a_broken_file_does_not_hide_the_others(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package / "guest.yaml").write_text("name: guest\n")
    plug_in(monkeypatch, "guest_tasks")
    summaries = {summary.name: summary for summary in tasks.describe()}
    assert summaries["guest"].spec is None
    assert "is missing" in summaries["guest"].faults
    assert summaries["smllmun"].spec == tasks.load("smllmun")


def test_a_task_bears_the_name_of_its_file(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package / "guest.yaml").rename(package / "visitor.yaml")
    plug_in(monkeypatch, "guest_tasks")
    with pytest.raises(UserError, match="calls itself 'guest'"):
        tasks.load("visitor")


def test_shipped_folders() -> None:
    assert tasks.find("smllmun").parent == resources.shipped("tasks")
    with pytest.raises(ValueError, match="no shipped files of kind 'docs'"):
        resources.shipped("docs")


def test_a_wheel_s_own_copy_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "smllmun_bench"
    monkeypatch.setattr(resources, "__file__", str(package / "resources.py"))
    with pytest.raises(FileNotFoundError, match="no 'tasks' folder"):
        resources.shipped("tasks")
    (tmp_path / "tasks").mkdir()
    assert resources.shipped("tasks") == tmp_path / "tasks"
    (package / "_shipped" / "tasks").mkdir(parents=True)
    assert resources.shipped("tasks") == package / "_shipped" / "tasks"


HEAVY = ("torch", "transformers", "datasets", "pandas", "scipy", "sklearn", "evaluate", "peft")
LIGHT = (
    "config",
    "tasks",
    "resources",
    "report.console",
    "report.table",
    "report.leaderboard",
    "results.leaderboard",
    "scoring.summary",
    "store.store",
)


def loaded(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split()) & set(HEAVY)


def test_light_rooms_import_nothing_heavy() -> None:
    assert loaded("\n".join(f"import smllmun_bench.{name}" for name in LIGHT)) == set()


def test_the_check_above_can_fail() -> None:
    assert loaded("import sys, types; sys.modules['torch'] = types.ModuleType('torch')") == {"torch"}
