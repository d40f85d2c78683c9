"""Matched forgetting: the step at which people of the validation fold are forgotten as well as by gold.

The method is run on the validation people's request and asked about them on the way. What comes out is a number of
steps, and that is all that a run on the reported people learns of it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smllmun_bench import runtime
from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import Method, MethodConfig
from smllmun_bench.schema import Fold, Item, Kind, Role
from smllmun_bench.scoring.columns import MEMORY
from smllmun_bench.scoring.items import score_items
from smllmun_bench.scoring.summary import summarise
from smllmun_bench.stages.building import gold as gold_of
from smllmun_bench.stages.context import VERSIONS, Bar, RunContext
from smllmun_bench.stages.loader import ModelRef
from smllmun_bench.stages.predicting import Questions, identified, limited, predict_items
from smllmun_bench.stages.unlearning_inputs import unlearn_inputs, unlearning_data
from smllmun_bench.store.hashing import digest
from smllmun_bench.store.store import Request

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm

FILE = "stop.json"


@dataclass(frozen=True, slots=True)
class Found:
    """`step` is where to stop; `reached` tells whether validation forgetting came down to gold's level there."""

    step: int
    reached: bool


class Watcher:
    """Asks for the score on forgotten people at every check; `level` or less is enough."""

    def __init__(self, progress: Any, score: Callable[[], float], level: float) -> None:
        self._progress, self._score, self._level = progress, score, level
        self.curve: list[tuple[int, float]] = []
        self.reached: int | None = None

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        self._progress.step(done, total, figures)

    def on_check(self, step: int) -> bool:
        score = runtime.agreed(self._score())
        self.curve.append((step, score))
        if score <= self._level:
            self.reached = step
        return score <= self._level


def matched(context: RunContext, start: ModelRef, method: Method[Any], config: MethodConfig, seed: int) -> Found:
    """The step for this method, configuration and seed, found once and kept.

    Raises UserError where there is no gold model for the validation people, or the method does not train.
    """
    context = replace(context, fold=Fold.VALIDATION)
    gold = gold_of(context)
    if gold is None:
        raise UserError(
            "forgetting cannot be matched without a gold model",
            where="training.stop.rule",
            fix="rule: steps, or --gold",
        )
    asked = forgotten(context)
    if not asked.items:
        raise UserError(
            f"the task {context.task.name!r} has no open questions about validation people to forget",
            where="training.stop.rule",
            fix="rule: steps",
        )

    def make(folder: Path) -> None:
        level = score(context, context.loader.get(gold), asked.items)
        vlm = context.loader.get(start)
        with context.watch(f"{method.name} on validation people, until it is gold's", config.training.steps) as advance:
            watcher = Watcher(Bar(advance), lambda: score(context, vlm, asked.items), level)
            given = unlearning_data(context, start, seed, config.needed(method.needs))
            data = replace(given, reuse=lambda name, inputs, fit: fit())
            method.fit(vlm, data, config, watcher)
        if not watcher.curve:
            raise UserError(
                f"{method.name} asked nobody whether it is enough in {config.training.steps} steps",
                where="training.stop",
                fix="a smaller `every`, or rule: steps for a method that does not train",
            )
        found = {"level": level, "reached": watcher.reached, "curve": watcher.curve}
        (folder / FILE).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    inputs = unlearn_inputs(context, start, method, config, seed) | {
        "gold": gold.digest,
        "items": asked.digest,
        "prompts": asked.prompts,
        "generation": context.task.generation.model_dump(mode="json"),
        "metrics": digest([f"{kind} {plan}" for kind, plan in sorted(context.task.metrics.items())]),
    }
    entry = context.store.get_or_make(Request("stop", VERSIONS["stop"], inputs), make, on_event=context.on_event)
    found = json.loads((entry.path / FILE).read_text(encoding="utf-8"))
    return Found(found["reached"] or config.training.steps, found["reached"] is not None)


def forgotten(context: RunContext) -> Questions:
    """The open memory questions about those who are to be forgotten in this fold."""
    items = limited(context.data.evaluation(context.fold), context.limit)
    return identified(context, [item for item in items if item.role is Role.FORGET and item.kind is Kind.OPEN])


def score(context: RunContext, vlm: "Vlm", items: Sequence[Item]) -> float:
    """How much is memorised: the mean of the two forget columns, as far as the task has them."""
    rows = predict_items(vlm, items, context.task, run_id="check", batch_size=context.batch_size)
    vector = summarise(score_items(items, rows, context.task.metrics, directions=context.task.direction)).vector
    columns: list[float] = [value for name in MEMORY if (value := getattr(vector, name)) is not None]
    return sum(columns) / len(columns)
