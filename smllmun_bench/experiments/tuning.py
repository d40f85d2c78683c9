"""Hyperparameters are chosen on validation people, never on those whose forgetting is reported.

No gold model exists for the validation request. A point is scored by `overall` with a stand-in: memory as the *base*
has it (it never saw anybody, as gold never saw the forgotten), everything that must stay as the *target* has it.
"""

import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import Field, JsonValue, PositiveInt

from smllmun_bench import stages
from smllmun_bench.config import Frozen, apply_overrides, read_yaml
from smllmun_bench.errors import RunFailed, UserError
from smllmun_bench.schema import Fold
from smllmun_bench.scoring.columns import MEMORY
from smllmun_bench.scoring.items import score_items
from smllmun_bench.scoring.summary import overall, summarise
from smllmun_bench.scoring.vectors import ScoreVector
from smllmun_bench.stages import Questions, RunContext, method_recipes
from smllmun_bench.stages.loader import ModelRef
from smllmun_bench.stages.method_recipes import Chosen
from smllmun_bench.store.store import StoredStage

NOTE = (
    "Chosen on validation people. No gold model exists for their request: memory is held against the base, "
    "what must stay against the target."
)

TEST_NOTE = (
    "Chosen on the people whose forgetting is reported: the scores of these settings are too good, and every row made "
    "with the recipe says so (selected_on)."
)


class Space(Frozen):
    """What to try: dotted key of the method's settings -> values. Every combination is a point."""

    grid: dict[str, tuple[JsonValue, ...]] = Field(min_length=1)
    budget: PositiveInt | None = None  # points to draw; null: all


@dataclass(frozen=True, slots=True)
class Point:
    """One combination, as `key=value`, and what came of it; `error` where the method failed on it."""

    settings: tuple[str, ...]
    chosen: Chosen
    vector: ScoreVector | None = None
    overall: float | None = None
    error: str = ""


def find_space(method: str, model: str) -> Path | None:
    """`space.<model>.yaml` where the method has one, else its `space.yaml`, in the first place that has it."""
    return method_recipes.find(method, f"space.{model}.yaml") or method_recipes.find(method, "space.yaml")


def space_path(method: str, model: str) -> Path:
    """The same. Raises UserError where there is none."""
    found = find_space(method, model)
    if found is None:
        raise UserError(
            f"there is no search space for {method!r}",
            where=f"baselines/{method}/space.yaml",
            fix=f"--include DIR with baselines/{method}/space.yaml in it",
        )
    return found


def read_space(path: Path) -> Space:
    """Raises UserError for every fault of the file, empty value lists among them."""
    space = read_yaml(path, Space)
    for key, values in space.grid.items():
        if not values:
            raise UserError("there is nothing to try", where=f"{path}, key 'grid.{key}'", fix="a list of values")
    return space


def points(
    space: Space, start: Chosen, *, budget: int | None = None, seed: int = 0, where: str = "grid"
) -> list[Point]:
    """The combinations in the order of the file, or `budget` of them drawn with `seed`.

    Raises UserError for a key or value that the method does not have.
    """
    keys = list(space.grid)
    every = [tuple(f"{key}={_written(v)}" for key, v in zip(keys, row, strict=True)) for row in _rows(space)]
    budget = budget or space.budget
    if budget is not None and budget < len(every):
        kept = sorted(random.Random(seed).sample(range(len(every)), budget))
        every = [every[index] for index in kept]
    return [Point(s, replace(start, config=apply_overrides(start.config, s, where=where))) for s in every]


def check_fold(fold: Fold, *, allow_test: bool) -> None:
    """Raises UserError for the test fold, unless the override is given."""
    if fold is not Fold.VALIDATION and not allow_test:
        raise UserError(
            f"hyperparameters cannot be chosen on the {fold.value} fold: its people are those that are reported",
            where="--fold",
            fix="validation; or --allow-test-selection, which every row made with the recipe then says",
        )


def tune(
    context: RunContext,
    todo: Sequence[Point],
    *,
    seed: int = 0,
    allow_test: bool = False,
    on_point: Callable[[Point], None] = lambda point: None,
) -> list[Point]:
    """Every point run and scored, best first; failed ones last.

    Raises UserError for any fold but validation, and for a method that needs what is not there. With `allow_test` the
    caller answers for it, and has to stamp what comes out (`recipes.write(..., selected_on="test")`).
    """
    check_fold(context.fold, allow_test=allow_test)
    stages.check_needs(context, [point.chosen for point in todo])
    asked, start = stages.questions(context), stages.base(context)
    target = stages.target(context, start)
    before = _vector(context, asked, target, None, "target")
    blank = _vector(context, asked, start, None, "base")
    placeholder = ScoreVector(**asdict(before) | {column: getattr(blank, column) for column in MEMORY})
    tried = []
    for point in todo:
        tried.append(_tried(context, asked, target, point, seed, before, placeholder))
        on_point(tried[-1])
    return sorted(tried, key=lambda point: (point.overall is None, -(point.overall or 0.0)))


def _tried(
    context: RunContext,
    asked: Questions,
    target: ModelRef,
    point: Point,
    seed: int,
    before: ScoreVector,
    placeholder: ScoreVector,
) -> Point:
    try:
        artifact = stages.unlearn(context, target, point.chosen.method, point.chosen.config, seed)
        vector = _vector(context, asked, target, artifact, ", ".join(point.settings))
    except RunFailed as failure:
        return replace(point, error=failure.what)
    return replace(point, vector=vector, overall=overall(vector, before, placeholder))


def _vector(
    context: RunContext, asked: Questions, model: ModelRef, artifact: StoredStage | None, name: str
) -> ScoreVector:
    predictions = stages.predict(context, asked, model, artifact, name).predictions
    return summarise(
        score_items(asked.items, predictions, context.task.metrics, directions=context.task.direction)
    ).vector


def _written(value: JsonValue) -> str:
    """As after `--set key=`, where a word stands without quotation marks."""
    return value if isinstance(value, str) else json.dumps(value)


def _rows(space: Space) -> Iterator[tuple[JsonValue, ...]]:
    return itertools.product(*space.grid.values())
