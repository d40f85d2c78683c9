"""Two runs on the same items: what differs, how surely, and which answers turned. Reads run folders; loads no model."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smllmun_bench.errors import UserError
from smllmun_bench.metrics.statistics import (
    holm,
    identity_differences,
    least_sign_flip_p,
    macro,
    paired_difference,
    smallest_difference,
)
from smllmun_bench.results import manifest as manifests
from smllmun_bench.results.manifest import RunManifest
from smllmun_bench.results.run_folder import ITEMS, find_run
from smllmun_bench.results.scored_items import read_scored_items, score_of
from smllmun_bench.schema import Score
from smllmun_bench.scoring.columns import MEANS, Column, identity

if TYPE_CHECKING:
    import pandas

DRAWS = 2000
ALPHA = 0.05
SHOWN = 5  # items in an error message
_SAME = ("entity_id", "role", "modality", "kind", "question", "answer")  # what makes an item of one id the same item


@dataclass(frozen=True, slots=True)
class Side:
    """The scored items of one run; `manifest` is None for items that were scored from a file alone."""

    name: str
    path: Path
    rows: tuple[dict[str, Any], ...]
    manifest: RunManifest | None


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """One column on the items that both runs have in it; every figure is macro by identity.

    `difference` is b − a with its 95 % interval (identities drawn again), `p` of the sign-flip test, `p_holm` the same
    over all columns of the comparison, `least_p` the smallest p that so many identities can give. `smallest` is the
    difference that this test would find in four of five tries (level .05, power .8; None with one identity): a smaller
    one may be there and not be seen.
    """

    column: str
    n: int
    identities: int
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    least_p: float
    smallest: float | None

    @property
    def verdict(self) -> str:
        """`differs`, `in the noise`, or `too few people`: no p below .05 was within reach of so few."""
        if self.p_holm < ALPHA:
            return "differs"
        return "too few people" if self.least_p >= ALPHA or self.p <= self.least_p else "in the noise"


@dataclass(frozen=True, slots=True)
class Flip:
    """An item whose answer is in another state in b than in a."""

    item_id: str
    role: str
    modality: str
    kind: str
    question: str
    answer: str
    state_a: str
    state_b: str
    text_a: str
    text_b: str


@dataclass(frozen=True, slots=True)
class Compared:
    """`turned` counts flips by (role, state in a, state in b); `notes` is what to know when reading."""

    a: str
    b: str
    items: int
    columns: tuple[ColumnDifference, ...]
    turned: tuple[tuple[str, str, str, int], ...]
    flips: tuple[Flip, ...]
    notes: tuple[str, ...]


def open_side(name: str, root: Path) -> Side:
    """A run folder, a run id below `root`, or what `score --output` wrote (folder or file). Raises UserError."""
    path = Path(name)
    if path.is_file():
        return Side(path.stem, path, tuple(read_scored_items(path)), None)
    if (path / ITEMS).is_file() and not (path / manifests.FILE).is_file():
        return Side(path.name, path / ITEMS, tuple(read_scored_items(path / ITEMS)), None)
    found = find_run(name, root)
    if found.manifest.status != "done":
        raise UserError(f"the run failed: {found.manifest.error}", where=str(found.folder))
    items = found.folder / ITEMS
    return Side(found.manifest.run_id, items, tuple(read_scored_items(items)), found.manifest)


def compare(a: Side, b: Side, *, seed: int = 0, draws: int = DRAWS) -> Compared:
    """b against a. Raises UserError, saying what differs, unless both were asked the same items of the same data."""
    _same_data(a, b)
    rows_a, rows_b = _same_items(a, b)
    scores_a, scores_b = [score_of(row) for row in rows_a], [score_of(row) for row in rows_b]
    found = [_column(of.name, pairs, seed, draws) for of in MEANS if (pairs := _pairs(of, scores_a, scores_b))]
    adjusted = holm([column.p for column in found])
    flips = [_flip(old, new) for old, new in zip(rows_a, rows_b, strict=True) if old["state"] != new["state"]]
    turned = Counter((flip.role, flip.state_a, flip.state_b) for flip in flips)
    return Compared(
        a.name,
        b.name,
        len(rows_a),
        tuple(replace(column, p_holm=p) for column, p in zip(found, adjusted, strict=True)),
        tuple((*key, count) for key, count in sorted(turned.items())),
        tuple(flips),
        tuple(_notes(a, b)),
    )


def frame(found: Compared) -> "pandas.DataFrame":
    """The columns of a comparison as a table, `verdict` last."""
    import pandas

    return pandas.DataFrame([asdict(column) | {"verdict": column.verdict} for column in found.columns])


# --- are they comparable? ---------------------------------------------------------------------------------------


def _same_data(a: Side, b: Side) -> None:
    if a.manifest is None or b.manifest is None:
        return  # the items themselves are compared next
    for what, ours, theirs in (
        ("data", a.manifest.digests.get("data"), b.manifest.digests.get("data")),
        ("tasks", a.manifest.task, b.manifest.task),
        ("versions of the task", a.manifest.task_version, b.manifest.task_version),
        ("task files", a.manifest.digests.get("task"), b.manifest.digests.get("task")),
        ("folds", a.manifest.fold, b.manifest.fold),
        ("forget ratios", a.manifest.forget_ratio, b.manifest.forget_ratio),
    ):
        if ours != theirs:
            raise UserError(
                f"the two runs had different {what}: {ours} and {theirs}",
                where=f"{a.name} and {b.name}",
                fix="run both on the same task, data, ratio and fold",
            )


def _same_items(a: Side, b: Side) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    first, second = ({row["item_id"]: row for row in side.rows} for side in (a, b))
    for side, rows in ((a, first), (b, second)):
        if len(rows) < len(side.rows):
            raise UserError("an item stands twice", where=str(side.path))
    for side, only in ((a, first.keys() - second.keys()), (b, second.keys() - first.keys())):
        if only:
            raise UserError(
                f"{len(only)} items were asked in {side.name} only: {_listed(sorted(only))}",
                where=f"{a.path} and {b.path}",
                fix="the same --limit, ratio and fold for both",
            )
    for key in _SAME:
        other = [name for name in first if first[name][key] != second[name][key]]
        if other:
            raise UserError(
                f"{len(other)} items have another {key!r} in the two runs: {_listed(other)}",
                where=f"{a.path} and {b.path}",
                fix="runs on the same data",
            )
    names = sorted(first)
    return [first[name] for name in names], [second[name] for name in names]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + (" …" if len(names) > SHOWN else "")


def _notes(a: Side, b: Side) -> list[str]:
    notes = [
        f"{side.name} was scored from a file: its items were compared, there is no digest of its data"
        for side in (a, b)
        if side.manifest is None
    ]
    if a.manifest is not None and b.manifest is not None:
        if a.manifest.model != b.manifest.model:
            notes.append(f"two models, {a.manifest.model} and {b.manifest.model}: methods and models are mixed here")
        if a.manifest.precision != b.manifest.precision:
            notes.append(f"answers in {a.manifest.precision} and in {b.manifest.precision}")
        if a.manifest.digests.get("prompts") != b.manifest.digests.get("prompts"):
            notes.append("the questions were put in different words (prompts differ)")
        if a.manifest.seed is not None or b.manifest.seed is not None:
            notes.append("one seed of each: the interval is over persons and says nothing about other seeds")
    return notes


# --- columns ----------------------------------------------------------------------------------------------------


def _pairs(column: Column, a: Sequence[Score], b: Sequence[Score]) -> list[tuple[str, float, float]]:
    """(identity, value in a, value in b) of the items that are in the column in both runs."""
    return [
        (identity(old), first, second)
        for old, new in zip(a, b, strict=True)
        if (first := column.value(old)) is not None and (second := column.value(new)) is not None
    ]


def _column(name: str, pairs: Sequence[tuple[str, float, float]], seed: int, draws: int) -> ColumnDifference:
    before: dict[str, list[float]] = {}
    after: dict[str, list[float]] = {}
    for person, old, new in pairs:
        before.setdefault(person, []).append(old)
        after.setdefault(person, []).append(new)
    found = paired_difference(after, before, seed=seed, draws=draws)
    people = [person for person, _, _ in pairs]
    spread = identity_differences(after, before)
    return ColumnDifference(
        column=name,
        n=len(pairs),
        identities=len(before),
        a=macro([old for _, old, _ in pairs], people),
        b=macro([new for _, _, new in pairs], people),
        difference=found.mean,
        low=found.low,
        high=found.high,
        p=found.p,
        p_holm=found.p,
        least_p=least_sign_flip_p(len(before), draws=draws),
        smallest=smallest_difference(float(spread.std(ddof=1)), len(spread)) if len(spread) > 1 else None,
    )


def _flip(a: Mapping[str, Any], b: Mapping[str, Any]) -> Flip:
    shared = {key: a[key] for key in ("item_id", "role", "modality", "kind", "question", "answer")}
    return Flip(**shared, state_a=a["state"], state_b=b["state"], text_a=a["text"], text_b=b["text"])
