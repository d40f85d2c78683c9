"""Answers that somebody else's model gave, made into a run folder: a row of its own, without target and gold.

What cannot be had of such a model is left out, and its columns are n/a: log-probabilities, and choices read from them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from smllmun_bench import __version__
from smllmun_bench.data.combined import TaskData
from smllmun_bench.results.manifest import RunManifest, Vector
from smllmun_bench.results.predictions import PREDICTIONS, write_predictions
from smllmun_bench.results.run_folder import ITEMS, SCORES, replace_folder
from smllmun_bench.results.scored_items import write_scored_items
from smllmun_bench.schema import Fold, Item, Prediction
from smllmun_bench.scoring.items import score_items
from smllmun_bench.scoring.summary import summarise
from smllmun_bench.stages.predicting import question_of, scored_only
from smllmun_bench.store.atomic import atomic_write
from smllmun_bench.store.environment import environment, source_digest
from smllmun_bench.store.hashing import digest
from smllmun_bench.tasks import TaskSpec


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked: a task's items of one fold, as far as `limit` lets them."""

    task: TaskSpec
    data: TaskData
    percent: int
    fold: Fold
    limit: float | None
    items: tuple[Item, ...]

    def without(self, left_out: Sequence[Item]) -> tuple[Item, ...]:
        gone = {item.item_id for item in left_out}
        return tuple(item for item in self.items if item.item_id not in gone)


def unavailable(items: Sequence[Item], predictions: Sequence[Prediction], task: TaskSpec) -> list[Item]:
    """The items that are answered by log-probabilities, where the predictions hold none for any of them."""
    scored = [item for item in items if scored_only(item, task)]
    ids = {item.item_id for item in scored}
    had = any(p.option_logprobs is not None or p.answer_logprobs is not None for p in predictions if p.item_id in ids)
    return [] if had else scored


def write_run(
    asked: Asked, predictions: Sequence[Prediction], label: str, output: Path, *, about: Mapping[str, str]
) -> Path:
    """A run folder called `label`: no reference of ours, no rank, no `overall`. `about` says who answered.

    Raises UserError as `score_items`.
    """
    task = asked.task
    scores = score_items(asked.items, predictions, task.metrics, directions=task.direction)
    summary = summarise(scores)
    said = digest([asdict(prediction) for prediction in predictions])
    vector = Vector(
        **asdict(summary.vector),
        overall_memory=summary.composites.overall_memory,
        overall_understanding=summary.composites.overall_understanding,
    )
    where = f"{task.name.replace('/', '.')}-f{asked.percent}"
    record = RunManifest(
        run_id=f"{label.replace('/', '.')}-{where}-saved-{said[:8]}",
        status="done",
        label=label,
        kind="reference",
        fidelity=None,
        model=label,
        task=task.name,
        task_version=task.version,
        fold=asked.fold.value,
        forget_ratio=asked.percent / 100,
        seed=None,
        limit=asked.limit,
        config=dict(about),
        recipe_source="",
        backend=about["kind"],
        keys={},
        digests={
            "data": asked.data.benchmark.digest,
            "task": digest(task.model_dump(mode="json")),
            "model": said,
            "code": source_digest(),
            "prompts": digest([question_of(item, task) for item in asked.items]),
        },
        vector=vector,
        version=__version__,
        environment=environment(),
    )

    def fill(folder: Path) -> None:
        write_predictions(folder / PREDICTIONS, predictions)
        write_scored_items(folder / ITEMS, asked.items, predictions, scores)
        whole = json.loads(summary.to_json()) | {"vector": vector.model_dump()}
        atomic_write(folder / SCORES, json.dumps(whole, sort_keys=True, indent=1, allow_nan=False) + "\n")

    return replace_folder(output / record.run_id, record, fill)
