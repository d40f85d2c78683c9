"""What planted models are written from: a task's items, and target's and gold's answers to them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from smllmun_bench import stages, tasks
from smllmun_bench.data.combined import TaskData
from smllmun_bench.errors import UserError
from smllmun_bench.results import manifest as manifests
from smllmun_bench.results.manifest import RunManifest
from smllmun_bench.results.predictions import PREDICTIONS, read_predictions
from smllmun_bench.results.run_folder import RunFolder, find_runs
from smllmun_bench.schema import Fold, Item, Prediction
from smllmun_bench.scoring.columns import MEMORY
from smllmun_bench.scoring.gate import gate
from smllmun_bench.scoring.items import TaskMetrics, score_items
from smllmun_bench.stages import RunContext
from smllmun_bench.stages.predicting import limited


@dataclass(frozen=True, slots=True)
class Material:
    title: str
    items: Sequence[Item]
    target: Sequence[Prediction]
    gold: Sequence[Prediction]
    metrics: TaskMetrics
    memory: Collection[str]
    gate: str


def from_store(context: RunContext) -> Material:
    """Asked through the stages of a run: what is in the store is not made again. Raises UserError without a gold."""
    asked = stages.questions(context)
    predictions = {
        name: stages.predict(context, asked, model, None, name).predictions
        for name, model in stages.references(context).named().items()
    }
    if "gold" not in predictions:
        raise UserError("planted models need a gold model", where="--model", fix="a model whose card has a gold")
    scores = {
        name: score_items(asked.items, answers, context.task.metrics, directions=context.task.direction)
        for name, answers in predictions.items()
    }
    verdict = gate(scores["base"], scores["target"], scores["gold"])
    title = f"{context.task.name} · {context.card.name}"
    return Material(
        title,
        asked.items,
        predictions["target"],
        predictions["gold"],
        context.task.metrics,
        verdict.measurable,
        verdict.verdict.value,
    )


def from_runs(where: Path) -> Material:
    """From run folders: target and gold below `where`, or beside the run that `where` is.

    Raises UserError where there are none, or more than one of each, and where the task's data has changed since.
    """
    root = where.parent if (where / manifests.FILE).is_file() else where
    runs = [run for run in find_runs(root) if run.manifest.status == "done"]
    if root != where:
        own = manifests.read(where)
        runs = [run for run in runs if _setting(run.manifest) == _setting(own)]
    target, gold = (_only(runs, label, where) for label in ("target", "gold"))
    about = target.manifest
    task = tasks.load(about.task)
    data = TaskData(task, round(about.forget_ratio * 100))
    if data.benchmark.digest != about.digests["data"]:
        raise UserError(
            f"the items of task {about.task!r} are not those that were asked",
            where=str(target.folder),
            fix="run it again with this version",
        )
    items = limited(data.evaluation(Fold(about.fold)), about.limit)
    answers, ideal = (read_predictions(run.folder / PREDICTIONS) for run in (target, gold))
    memory = MEMORY if about.measurable is None else about.measurable
    return Material(f"{about.task} · {about.model}", items, answers, ideal, task.metrics, memory, about.gate)


def _setting(manifest: RunManifest) -> tuple[object, ...]:
    """Equal for runs that were asked the same, so that they can be held against each other."""
    about = (manifest.model, manifest.task, manifest.forget_ratio, manifest.fold, manifest.limit)
    return (*about, manifest.digests.get("data"), manifest.digests.get("task"))


def _only(runs: Sequence[RunFolder], label: str, where: Path) -> RunFolder:
    found = [run for run in runs if run.manifest.label == label and run.manifest.kind == "reference"]
    if len(found) != 1:
        what = f"there are {len(found)} runs of {label}" if found else f"there is no run of {label}"
        raise UserError(what, where=str(where), fix="the folder of one run, with target and gold beside it")
    return found[0]
