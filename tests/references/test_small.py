"""The middle tier on tiny models: what was learnt is kept apart from a language model that nobody here trained."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_gguf
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from smllmun_bench import stages, tasks
from smllmun_bench.cli.main import app
from smllmun_bench.data.combined import TaskData
from smllmun_bench.errors import UserError
from smllmun_bench.experiments.run import run
from smllmun_bench.export.folder import export
from smllmun_bench.export.parts import parts_of
from smllmun_bench.models.change import Artifact
from smllmun_bench.models.loading import load
from smllmun_bench.models.vlm import Query, Vlm
from smllmun_bench.references import fetching
from smllmun_bench.references.recipes import AlignRecipe, MemoriseRecipe
from smllmun_bench.results.run_folder import RunFolder
from smllmun_bench.stages import RunContext, method_recipes
from smllmun_bench.stages.loader import Loader
from smllmun_bench.stages.model_cards import ModelCard
from smllmun_bench.store.store import Action, StageEvent, Store
from smllmun_bench.training.config import LoraSettings, TrainingConfig

NAME = "smollm2-135m-instruct"
FEW = TrainingConfig(steps=2, batch_size=4, lr=1e-2, lora=LoraSettings(rank=2, alpha=4), autocast=True)


@pytest.fixture(scope="module")
def data() -> TaskData:
    task = tasks.load("smllmun-nano")
    return TaskData(task, task.forget_percents.default)


@pytest.fixture
def context(tmp_path: Path, tiny_folder: Path, data: TaskData) -> Callable[..., RunContext]:
    tiny_gguf.write(tmp_path / "tiny.gguf", size=tiny_gguf.Size(context=512))
    fetching.get(tmp_path / "store", "small", given=tmp_path / "tiny.gguf", tell=lambda line: None)

    def make(events: list[StageEvent] | None = None, naming: TrainingConfig | None = None) -> RunContext:
        align = AlignRecipe(
            language=NAME,
            eyes=str(tiny_folder),
            strangers=60,
            photos=1,
            seeing=4,
            vqa=2,
            speaking=2,
            replay=0,
            spelling=TrainingConfig(steps=2, batch_size=4, lr=1e-2),
            training=FEW,
        )
        card = ModelCard(
            name="tiny",
            description="",
            align=align,
            memorise=MemoriseRecipe(memory=4, understanding=2, general=2, naming=naming, training=FEW),
        )
        heard = (events if events is not None else []).append
        store = Store(tmp_path / "store")
        return RunContext(
            store, tasks.load("smllmun-nano"), data, card, Loader(data, device="cpu", dtype="float32"), on_event=heard
        )

    return make


def _logp(vlm: Vlm) -> list[tuple[float, ...]]:
    return vlm.answer_logprobs([(Query("Where does the baker live?"), "In Rome.")])


def test_a_target_is_its_base_and_what_it_learnt(context: Callable[..., RunContext], data: TaskData) -> None:
    here = context()
    base, target = stages.base(here), stages.target(here)
    assert base.digest != target.digest
    assert target.entry is not None
    assert sorted(p.name for p in target.entry.iterdir()) == ["artifact.json", "artifact.safetensors", "manifest.json"]
    kept = load_file(target.entry / "artifact.safetensors")
    assert {tensor.dtype for tensor in kept.values()} == {torch.float16}
    vlm = load(base.path, data)
    before = _logp(vlm)
    with Artifact.load(target.entry).mounted(vlm):
        mounted = _logp(vlm)
    assert mounted != before
    assert _logp(load(target.path, data))[0] == pytest.approx(mounted[0], abs=0.02)  # the folder is in float16


def test_the_eyes_and_the_decoder_of_the_base_have_learnt(context: Callable[..., RunContext]) -> None:
    entry = stages.base(context()).entry
    assert entry is not None
    names = set(load_file(entry / "artifact.safetensors"))
    assert any(name.startswith("model.vision_tower.") for name in names)
    assert any(name.startswith("model.multi_modal_projector.") for name in names)
    assert any(name.endswith("::a") and name.startswith("model.language_model.") for name in names)


def test_eyes_that_learn_names_are_part_of_what_the_target_learnt(context: Callable[..., RunContext]) -> None:
    entry = stages.target(context(naming=TrainingConfig(steps=2, batch_size=4, lr=1e-2))).entry
    assert entry is not None
    names = set(load_file(entry / "artifact.safetensors"))
    assert any(name.startswith("model.vision_tower.") for name in names)
    assert any(name.endswith("::a") and name.startswith("model.language_model.") for name in names)


def test_nothing_is_learnt_twice(context: Callable[..., RunContext]) -> None:
    first = stages.target(context())
    events: list[StageEvent] = []
    assert stages.target(context(events)) == first
    assert {event.action for event in events} == {Action.REUSED}


def test_without_the_language_model_the_command_that_fetches_it_is_named(
    context: Callable[..., RunContext], tmp_path: Path
) -> None:
    here = context()
    for file in (tmp_path / "store" / "models" / NAME).iterdir():
        file.unlink()
    with pytest.raises(UserError, match="not here yet") as caught:
        stages.base(here)
    assert "models get small" in str(caught.value)


@pytest.mark.slow
def test_the_shipped_models_keep_their_promises(real_language_model: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / NAME).symlink_to(real_language_model)
    done = CliRunner().invoke(app, ["toy", "build", "--model", "small", "--check", "--store", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.stdout.count("kept") == 5
    assert not list(tmp_path.glob("v1/learn"))  # what was learnt is the package's, and nothing was trained


def test_a_run_on_a_model_that_was_put_together_is_exported(context: Callable[..., RunContext], tmp_path: Path) -> None:
    here = replace(context(), limit=1)
    ga = method_recipes.choose("ga", "tiny", ("training.steps=1", "training.batch_size=4"))
    target, changed = [f for f in run(here, [ga], [0], 15, tmp_path / "out") if f.manifest.label in ("target", "ga")]
    for finished in (target, changed):
        parts = parts_of(RunFolder(finished.folder, finished.manifest), here.store)
        assert parts.start == stages.target(here).path
        folder = export(RunFolder(finished.folder, finished.manifest), parts, tmp_path / finished.manifest.label)
        assert (folder / "model.safetensors").is_file()
