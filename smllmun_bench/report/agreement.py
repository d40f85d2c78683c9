"""Do two leaderboards order the methods alike? Kendall's τ of each column, over the methods that both have."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from smllmun_bench.errors import UserError
from smllmun_bench.metrics.statistics import Correlation, kendall
from smllmun_bench.report.leaderboard import LeaderboardRow, RowKind, rank, read_csv, table_key
from smllmun_bench.report.table import ANSWER_COLUMNS, SCORE_COLUMNS

COLUMNS = tuple(column.name for column in (*SCORE_COLUMNS, *ANSWER_COLUMNS))
FEWEST = 4  # methods; with three, every order is one of six


@dataclass(frozen=True, slots=True)
class Agreement:
    """One column. `methods` have a value on both sides; `tau` is None for fewer than four, and where one side tells
    none of them apart."""

    column: str
    methods: int
    tau: Correlation | None


@dataclass(frozen=True, slots=True)
class Place:
    """A method's rank by `overall` on either side, among the methods that both sides have."""

    method: str
    ours: int
    theirs: int


def read_side(path: Path) -> dict[str, LeaderboardRow]:
    """Method -> its row. Raises UserError for a bad file, several tables in it, or two rows of one method."""
    rows = [row for row in rank(read_csv(path)) if row.kind is not RowKind.REFERENCE]
    tables = {table_key(row) for row in rows}
    if len(tables) != 1:
        found = f"{len(tables)} tables" if tables else "no methods"
        raise UserError(f"{found} in this file, where one table of methods is wanted", where=str(path))
    repeated = [method for method, count in Counter(row.method for row in rows).items() if count > 1]
    if repeated:
        raise UserError(
            f"several rows are called {', '.join(repeated)}", where=str(path), fix="keep one configuration of each"
        )
    return {row.method: row for row in rows}


def agreements(
    ours: Mapping[str, LeaderboardRow], theirs: Mapping[str, LeaderboardRow], columns: Iterable[str] = COLUMNS
) -> list[Agreement]:
    """One line per column. Raises UserError if fewer than four methods are on both sides."""
    shared = _shared(ours, theirs)
    return [_agreement(column, [(ours[name], theirs[name]) for name in shared]) for column in columns]


def places(ours: Mapping[str, LeaderboardRow], theirs: Mapping[str, LeaderboardRow]) -> list[Place]:
    """Where `overall` puts each shared method that has one on both sides, in the order of the first."""
    both = [
        name for name in _shared(ours, theirs) if ours[name].overall is not None and theirs[name].overall is not None
    ]
    a, b = ({row.method: row.rank for row in rank(side[name] for name in both) if row.rank} for side in (ours, theirs))
    return sorted((Place(name, a[name], b[name]) for name in both), key=lambda place: (place.ours, place.theirs))


def _shared(ours: Mapping[str, LeaderboardRow], theirs: Mapping[str, LeaderboardRow]) -> list[str]:
    shared = [name for name in ours if name in theirs]
    if len(shared) < FEWEST:
        raise UserError(f"{len(shared)} methods are in both files; an order of fewer than {FEWEST} says nothing")
    return shared


def _agreement(column: str, rows: Iterable[tuple[LeaderboardRow, LeaderboardRow]]) -> Agreement:
    pairs = [(getattr(ours, column), getattr(theirs, column)) for ours, theirs in rows]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    found = kendall([a for a, _ in known], [b for _, b in known]) if len(known) >= FEWEST else None
    return Agreement(column, len(known), None if found is None or math.isnan(found.tau) else found)
