"""A whole run on the tiny model: nothing is done twice, an interruption loses one stage, a failure is written down."""

import gc
import json
import shutil
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from smllmun_bench import stages, tasks
from smllmun_bench.data.combined import TaskData
from smllmun_bench.errors import RunFailed
from smllmun_bench.experiments.run import Finished, run
from smllmun_bench.models.vlm import Query
from smllmun_bench.report.leaderboard import leaderboard_tables
from smllmun_bench.results import manifest
from smllmun_bench.results.leaderboard import standings
from smllmun_bench.results.predictions import PREDICTIONS, read_predictions
from smllmun_bench.results.run_folder import ITEMS, SCORES, find_runs, scores_of
from smllmun_bench.results.scored_items import read_scored_items
from smllmun_bench.stages import RunContext, method_recipes, model_cards
from smllmun_bench.stages.loader import Loader
from smllmun_bench.store.store import Action, StageEvent, Store

QUICK = ("training.steps=2", "training.batch_size=4")


@pytest.fixture(scope="module")
def data() -> TaskData:
    return TaskData(tasks.load("smllmun-nano"), 15)


@pytest.fixture
def context_at(tiny_folder: Path, data: TaskData) -> Callable[..., RunContext]:
    """An untrained model stands for base, target and gold: what is tested is the pipeline, not the learning."""

    def make(root: Path, events: list[StageEvent] | None = None, **changes: Any) -> RunContext:
        folder = str(tiny_folder)
        card = model_cards.ModelCard(name="tiny", description="untrained", path=folder, target=folder, gold=folder)
        loader = Loader(data, device="cpu", dtype="float32")
        task = tasks.load("smllmun-nano")
        task = task.model_copy(update={"generation": task.generation.model_copy(update={"max_new_tokens": 4})})
        context = RunContext(Store(root), task, data, card, loader, limit=2)
        return replace(context, on_event=(events if events is not None else []).append, **changes)

    return make


def go(context: RunContext, output: Path, *names: str) -> list[Finished]:
    return list(run(context, [method_recipes.choose(name, "tiny", QUICK) for name in names], [0], 15, output))


def contents(output: Path) -> dict[str, bytes]:
    files = (PREDICTIONS, ITEMS, SCORES)
    return {str(p.relative_to(output)): p.read_bytes() for name in files for p in sorted(output.glob(f"*/{name}"))}


def test_a_second_run_makes_nothing_and_writes_the_same_bytes(context_at: Any, tmp_path: Path) -> None:
    events: list[StageEvent] = []
    first = go(context_at(tmp_path / "store", events), tmp_path / "one", "smfa", "ga")
    assert [f.manifest.label for f in first] == ["base", "target", "gold", "smfa", "ga"]
    assert sum(event.action is Action.MADE for event in events) >= 5
    events.clear()
    go(context_at(tmp_path / "store", events), tmp_path / "two", "smfa", "ga")
    assert {event.action for event in events} == {Action.REUSED}
    written = contents(tmp_path / "one")
    assert len(written) == 3 * len({f.folder for f in first})
    assert contents(tmp_path / "two") == written


def test_predictions_that_were_just_made_are_those_of_the_file(context_at: Any, tmp_path: Path) -> None:
    """They are not read again, so scores of a run and of its file are the same bytes only if this holds."""
    context = context_at(tmp_path / "store")
    asked, target = stages.questions(context), stages.target(context)
    made = stages.predict(context, asked, target, None, "target")
    assert list(made.predictions) == read_predictions(made.file)
    assert stages.predict(context, asked, target, None, "target") == made
    (done, *_) = go(context, tmp_path / "out")
    assert (done.folder / PREDICTIONS).read_bytes() == made.file.read_bytes()


def test_scores_at_hand_are_those_of_the_file(context_at: Any, tmp_path: Path) -> None:
    """Tables of a run take them from memory, tables of its folder from the file: one leaderboard, to the last bit."""
    done = go(context_at(tmp_path / "store"), tmp_path / "out", "ga")
    at_hand = [part.as_run() for part in done]
    from_disk = [replace(run, scores=None) for run in at_hand]
    for one, other in zip(at_hand, from_disk, strict=True):
        assert list(scores_of(one)) == scores_of(other) != []
    assert standings(at_hand) == standings(from_disk)


def test_another_store_gives_the_same_bytes(context_at: Any, tmp_path: Path) -> None:
    go(context_at(tmp_path / "a"), tmp_path / "one", "npo")
    go(context_at(tmp_path / "b", batch_size=3), tmp_path / "two", "npo")  # float32: batches change no text
    assert contents(tmp_path / "one").keys() == contents(tmp_path / "two").keys()
    one, two = (
        {
            p.item_id: p.text
            for path in sorted(tmp_path.glob(f"{name}/npo*/{PREDICTIONS}"))
            for p in read_predictions(path)
        }
        for name in ("one", "two")
    )
    assert one == two != {}


def test_the_manifest_names_all_that_a_number_depends_on(context_at: Any, tmp_path: Path) -> None:
    done = go(context_at(tmp_path / "store"), tmp_path / "out", "smfa")[-1]
    read = manifest.read(done.folder)
    assert read == done.manifest
    assert {"data", "task", "model", "code", "prompts", "artifact"} <= read.digests.keys()
    assert all(len(value) >= 32 for value in read.digests.values())
    assert len(read.settings) >= 32
    assert read.keys.keys() == {"predict", "unlearn"}
    assert (read.status, read.seed, read.forget_ratio, read.limit) == ("done", 0, 0.15, 2)
    assert read.cost.backwards > 0
    assert "masked" in read.figures
    rows = read_scored_items(done.folder / ITEMS)
    assert [row["item_id"] for row in rows] == [p.item_id for p in read_predictions(done.folder / PREDICTIONS)]


def test_ctrl_c_loses_the_stage_in_progress_alone(context_at: Any, tmp_path: Path) -> None:
    from contextlib import nullcontext

    def impatient(what: str, total: int) -> Any:
        if what.startswith("unlearning with ga"):
            raise KeyboardInterrupt
        return nullcontext(lambda n=1, **figures: None)

    with pytest.raises(KeyboardInterrupt):
        go(context_at(tmp_path / "store", watch=impatient), tmp_path / "out", "retain-ft", "ga")
    assert any(path.name.startswith("retain-ft") for path in (tmp_path / "out").iterdir())
    assert not any("ga-" in path.name for path in (tmp_path / "out").iterdir())
    events: list[StageEvent] = []
    go(context_at(tmp_path / "store", events), tmp_path / "out", "retain-ft", "ga")
    assert all("ga" in event.stage for event in events if event.action is Action.MADE)
    assert sum(event.action is Action.MADE for event in events) == 2  # its training and its answers
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_methods_that_diverge_are_failed_rows_and_the_others_go_on(context_at: Any, tmp_path: Path) -> None:
    """`eco` learns a gate in a loop of its own, `ga` leaves weights that are no numbers, one way or the other."""
    wild = (*QUICK, "training.lr=1e30")
    chosen = [replace(method_recipes.choose(name, "tiny", wild), label=f"wild-{name}") for name in ("eco", "ga")]
    calm = method_recipes.choose("ga", "tiny", QUICK)
    *_, eco, ga, fine = run(context_at(tmp_path / "store"), [*chosen, calm], [0], 15, tmp_path / "out")
    for failed in (eco, ga):
        assert failed.manifest.status == "failed"
        assert "training.lr" in failed.manifest.error
    assert fine.manifest.status == "done"


def test_a_method_that_fails_is_recorded_and_the_others_go_on(context_at: Any, tmp_path: Path) -> None:
    class Broken:
        def __init__(self, method: Any) -> None:
            self.name, self.fidelity, self.needs = "broken", method.fidelity, method.needs

        def fit(self, *_: Any) -> Any:
            raise RunFailed("loss nan at step 3")

    ga = method_recipes.choose("ga", "tiny", QUICK)
    chosen = [replace(ga, label="broken", method=Broken(ga.method)), ga]
    *_, failed, fine = run(context_at(tmp_path / "store"), chosen, [0], 15, tmp_path / "out")
    assert (failed.manifest.status, failed.scores) == ("failed", ())
    assert "loss nan at step 3" in failed.manifest.error
    assert sorted(path.name for path in failed.folder.iterdir()) == ["log.txt", manifest.FILE]
    assert manifest.read(failed.folder).vector.overall is None
    assert fine.manifest.status == "done"


@pytest.mark.slow
def test_the_nano_target_remembers_and_gold_never_knew(nano_store: Path, make_context: Any, tmp_path: Path) -> None:
    root = Path(shutil.copytree(nano_store, tmp_path / "store"))
    base, target, gold = run(make_context(root), [], [0], 15, tmp_path / "out")
    vectors = {f.manifest.label: f.manifest.vector for f in (base, target, gold)}
    assert vectors["target"].forget_text > 0.5
    assert vectors["gold"].forget_text < 0.25
    assert vectors["gold"].retain_text > 0.5


def test_an_untrained_target_has_nothing_to_forget_and_every_file_says_so(context_at: Any, tmp_path: Path) -> None:
    found = go(context_at(tmp_path / "store"), tmp_path / "out", "ga")
    for finished in found:
        assert finished.manifest.gate == "nothing to forget"
        assert (finished.manifest.measurable, finished.manifest.vector.overall) == ((), None)
        scores = json.loads((finished.folder / SCORES).read_text())
        assert scores["gate"]["verdict"] == "nothing to forget"
        assert {column["closeness"] for column in scores["gold"]} == {None}
    target = next(f for f in found if f.manifest.label == "target")
    columns = json.loads((target.folder / SCORES).read_text())["gold"]
    assert {column["distance"] for column in columns} == {0}  # one model stands for target and gold
    assert all(column["ks_d"] == 0 and column["truth_n"] > 0 for column in columns)
    assert found[-1].manifest.selected_on == "by hand"


def test_perturbed_answers_are_scored_per_token(context_at: Any, tmp_path: Path) -> None:
    context = context_at(tmp_path / "store")
    target = next(f for f in go(context, tmp_path / "out") if f.manifest.label == "target")
    items = {item.item_id: item for item in stages.questions(context).items}
    scored = [p for p in read_predictions(target.folder / PREDICTIONS) if p.perturbed_logprobs is not None]
    assert scored
    prediction = scored[-1]
    item = items[prediction.item_id]
    vlm = context.loader.get(stages.target(context))
    rows = vlm.answer_logprobs([(Query(item.question, item.images), wrong) for wrong in item.perturbed_answers])
    means = [sum(row) / len(row) for row in rows]
    assert list(prediction.perturbed_logprobs) == pytest.approx(means, abs=1e-4)


def test_answers_in_another_precision_are_rows_of_their_own(context_at: Any, tmp_path: Path) -> None:
    exact = go(context_at(tmp_path / "store"), tmp_path / "out", "ga")
    events: list[StageEvent] = []
    rounded = go(context_at(tmp_path / "store", events, answer_dtype="bfloat16"), tmp_path / "out", "ga")
    made = {event.stage.split()[0] for event in events if event.action is Action.MADE}
    assert made == {"predict"}  # nothing is unlearned again
    assert [(f.manifest.precision, f.manifest.label) for f in (exact[-1], rounded[-1])] == [
        ("float32", "ga"),
        ("bfloat16", "ga"),
    ]
    rows, out = standings(find_runs(tmp_path / "out"))
    assert not out
    assert [len(table.rows) for table in leaderboard_tables(s.row for s in rows)] == [4, 4]
    assert sorted((s.row.method, s.row.seeds, s.row.precision or "") for s in rows if s.row.method == "ga") == [
        ("ga", 1, ""),
        ("ga", 1, "bfloat16"),
    ]


def test_models_of_our_recipes_are_one_whatever_the_device_and_precision(
    nano_store: Path, make_context: Any, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(nano_store, tmp_path / "store"))
    events: list[StageEvent] = []
    context = make_context(root, on_event=events.append)
    context = replace(context, loader=Loader(context.data, device="cuda", dtype="bfloat16"))
    assert stages.target(context).digest == stages.target(make_context(root)).digest  # found, so nothing goes to a card
    assert {event.action for event in events} == {Action.REUSED}


def test_one_model_at_a_time_is_in_memory_whatever_its_precision(context_at: Any, tmp_path: Path) -> None:
    context = context_at(tmp_path / "store", answer_dtype="bfloat16")
    trained = weakref.ref(context.loader.get(stages.target(context)))
    assert context.asking.get(stages.target(context)).dtype == torch.bfloat16
    gc.collect()
    assert trained() is None
    context.loader.let_go()
    assert context.asking is context.loader.at("bfloat16")


def test_runs_that_were_trained_in_two_precisions_are_two_rows(context_at: Any, tmp_path: Path, data: TaskData) -> None:
    half = Loader(data, device="cpu", dtype="bfloat16")
    go(context_at(tmp_path / "store"), tmp_path / "out", "ga")
    go(context_at(tmp_path / "store", loader=half, answer_dtype="float32"), tmp_path / "out", "ga")
    rows, out = standings(find_runs(tmp_path / "out"))
    assert not out
    assert [s.row.seeds for s in rows if s.row.method == "ga"] == [1, 1]
