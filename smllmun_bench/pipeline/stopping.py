"""Matched forgetting: the step at which people of the validation fold are forgotten as well as by gold.

The method is run on the validation people's request and asked about them on the way. What comes out is a number of
steps, and that is all that a run on the reported people learns of it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smllmun_bench import runtime
from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import Method, MethodConfig
from smllmun_bench.pipeline import stages
from smllmun_bench.pipeline.models import ModelRef
from smllmun_bench.pipeline.predict import predict, question_of
from smllmun_bench.pipeline.stages import Workshop
from smllmun_bench.schema import Fold, Item, Kind, Role
from smllmun_bench.scoring.items import score_items
from smllmun_bench.scoring.summary import summarise
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


class StopAt:
    """Passes steps on to another progress, and finds `step` to be enough."""

    def __init__(self, progress: Any, step: int) -> None:
        self._progress, self._last = progress, step

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        self._progress.step(done, total, figures)

    def on_check(self, step: int) -> bool:
        return step >= self._last


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


def matched(shop: Workshop, start: ModelRef, method: Method[Any], config: MethodConfig, seed: int) -> Found:
    """The step for this method, configuration and seed, found once and kept.

    Raises UserError where there is no gold model for the validation people, or the method does not train.
    """
    shop = replace(shop, fold=Fold.VALIDATION)
    gold = stages.gold(shop)
    if gold is None:
        raise UserError(
            "forgetting cannot be matched without a gold model",
            where="training.stop.rule",
            fix="rule: steps, or --gold",
        )
    items = forgotten(shop)
    if not items:
        raise UserError(
            f"the task {shop.task.name!r} has no open questions about validation people to forget",
            where="training.stop.rule",
            fix="rule: steps",
        )

    def make(folder: Path) -> None:
        level = score(shop, shop.loader.get(gold), items)
        vlm = shop.loader.get(start)
        with shop.watch(f"{method.name} on validation people, until it is gold's", config.training.steps) as advance:
            watcher = Watcher(stages.Bar(advance), lambda: score(shop, vlm, items), level)
            data = replace(stages.unlearning_data(shop, start, seed), reuse=lambda name, inputs, fit: fit())
            method.fit(vlm, data, config, watcher)
        if not watcher.curve:
            raise UserError(
                f"{method.name} asked nobody whether it is enough in {config.training.steps} steps",
                where="training.stop",
                fix="a smaller `every`, or rule: steps for a method that does not train",
            )
        found = {"level": level, "reached": watcher.reached, "curve": watcher.curve}
        (folder / FILE).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    inputs = stages.unlearn_inputs(shop, start, method, config, seed) | {
        "gold": gold.digest,
        "items": shop.data.evaluation_digest(items),
        "prompts": digest([question_of(item, shop.task) for item in items]),
        "generation": shop.task.generation.model_dump(mode="json"),
        "metrics": digest([f"{kind} {plan}" for kind, plan in sorted(shop.task.metrics.items())]),
    }
    entry = shop.store.get_or_make(Request("stop", stages.VERSIONS["stop"], inputs), make, on_event=shop.on_event)
    found = json.loads((entry.path / FILE).read_text(encoding="utf-8"))
    return Found(found["reached"] or config.training.steps, found["reached"] is not None)


def forgotten(shop: Workshop) -> list[Item]:
    """The open memory questions about those who are to be forgotten in this fold."""
    return [item for item in stages.questions(shop) if item.role is Role.FORGET and item.kind is Kind.OPEN]


def score(shop: Workshop, vlm: "Vlm", items: list[Item]) -> float:
    """How much is remembered: the mean of the two forget columns, as far as the task has them."""
    rows = predict(vlm, items, shop.task, run_id="check", batch_size=shop.batch_size)
    vector = summarise(score_items(items, rows, shop.task.metrics, directions=shop.task.direction)).vector
    columns = [column for column in (vector.forget_image, vector.forget_text) if column is not None]
    return sum(columns) / len(columns)
