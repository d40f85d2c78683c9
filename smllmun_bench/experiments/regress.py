"""Has a score moved? Goldens: recorded scores of a few runs, and how far each column may be off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, ValidationError, model_validator

from smllmun_bench.config import Frozen
from smllmun_bench.errors import UserError
from smllmun_bench.results.manifest import Vector
from smllmun_bench.schema import Fold
from smllmun_bench.store.atomic import atomic_write

if TYPE_CHECKING:
    from smllmun_bench.stages import RunContext

REFERENCES = ("base", "target", "gold")
COLUMNS = tuple(Vector.model_fields)
DEFAULT_TOLERANCE = 0.02  # other machines round otherwise; a score that a change moves, moves further
Entry = dict[str, float | None]


class Golden(Frozen):
    """Recorded scores: label -> column -> value. `forget_ratio` in percent; `limit` as in `run`; one seed, 0."""

    version: Literal[1] = 1
    model: str
    task: str
    forget_ratio: Annotated[int, Field(ge=1, le=99)]
    limit: float | None = None
    entries: dict[str, Entry] = Field(default_factory=dict)
    tolerance: dict[str, NonNegativeFloat]

    @model_validator(mode="after")
    def _check(self) -> Self:
        for label, entry in self.entries.items():
            if unknown := entry.keys() - set(COLUMNS):
                raise ValueError(f"{label} has an unknown column {min(unknown)!r}")
            if bare := entry.keys() - self.tolerance.keys():
                raise ValueError(f"no tolerance for column {min(bare)!r} of {label}")
        return self

    @property
    def methods(self) -> list[str]:
        return [label for label in self.entries if label not in REFERENCES]


@dataclass(frozen=True, slots=True)
class Change:
    """One number that is not what was recorded. `moved`: by more than the column's tolerance."""

    label: str
    column: str
    recorded: float | None
    measured: float | None
    tolerance: float
    moved: bool

    @property
    def difference(self) -> float | None:
        return None if self.recorded is None or self.measured is None else self.measured - self.recorded


@dataclass(frozen=True, slots=True)
class Comparison:
    """`changes` are all numbers that differ, `new` the labels that were never recorded, `failed` label -> error."""

    changes: tuple[Change, ...]
    new: tuple[str, ...]
    failed: Mapping[str, str]

    @property
    def passed(self) -> bool:
        return not self.failed and not any(change.moved for change in self.changes)


def empty(model: str, task: str, forget_ratio: int, limit: float | None) -> Golden:
    return Golden(
        model=model,
        task=task,
        forget_ratio=forget_ratio,
        limit=limit,
        tolerance=dict.fromkeys(COLUMNS, DEFAULT_TOLERANCE),
    )


def read(path: Path) -> Golden:
    """Raises UserError naming file and key."""
    try:
        return Golden.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError("there is no such golden", where=str(path), fix="--update to record one") from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path), fix="the file of a golden") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        where = f"{path}, key {key!r}" if key else str(path)
        raise UserError(f"not a golden: {first['msg'].removeprefix('Value error, ')}", where=where) from None


def write(path: Path, golden: Golden) -> None:
    atomic_write(path, golden.model_dump_json(indent=1) + "\n")


def compare(golden: Golden, measured: Mapping[str, Entry], failed: Mapping[str, str]) -> Comparison:
    """What was measured against what is recorded, label by label, column by column.

    A score that has appeared or disappeared has moved, whatever the tolerance.
    """
    changes = [
        change
        for label, entry in measured.items()
        if label in golden.entries
        for change in _changes(label, golden.entries[label], entry, golden.tolerance)
    ]
    new = tuple(label for label in [*measured, *failed] if label not in golden.entries)
    return Comparison(tuple(changes), new, dict(failed))


def updated(golden: Golden, measured: Mapping[str, Entry]) -> Golden:
    """The golden with what was measured in place of what was recorded; other labels stay."""
    tolerance = dict.fromkeys(COLUMNS, DEFAULT_TOLERANCE) | golden.tolerance  # a column may be younger than the golden
    return golden.model_copy(update={"entries": golden.entries | dict(measured), "tolerance": tolerance})


def fresh(context: "RunContext", output: Path) -> "RunContext":
    """A context that takes base, target and gold from the store of `context` and makes all else anew, below `output`:
    the store would give back what older code had made."""
    from smllmun_bench.store.overlays import FreshStore

    return replace(context, store=FreshStore(output / "store", context.store))


def measure(
    context: "RunContext", methods: Sequence[str], golden: Golden, output: Path
) -> tuple[dict[str, Entry], dict[str, str]]:
    """Scores of the references and of each method with seed 0, and the errors of methods that failed.

    `context` is `fresh`; run folders go below `output`.
    """
    from smllmun_bench.experiments.run import run
    from smllmun_bench.stages import method_recipes

    if context.fold is not Fold.TEST:
        raise ValueError("goldens are of the test fold")
    measured: dict[str, Entry] = {}
    failed: dict[str, str] = {}
    chosen = [method_recipes.choose(name, golden.model) for name in methods]
    for finished in run(context, chosen, [0], golden.forget_ratio, output / "runs"):
        label = finished.manifest.label
        if finished.manifest.status == "failed":
            failed[label] = finished.manifest.error
        else:
            measured[label] = finished.manifest.vector.model_dump()
    return measured, failed


def _changes(label: str, recorded: Entry, measured: Entry, tolerance: Mapping[str, float]) -> list[Change]:
    found = []
    for column, old in recorded.items():
        new = measured.get(column)
        if old == new:
            continue
        moved = old is None or new is None or abs(new - old) > tolerance[column]
        found.append(Change(label, column, old, new, tolerance[column], moved))
    return found
