"""How sure a row of the table is: identities are drawn again with replacement, and so are the seeds of a row.

One statistic gives the point, the interval and the tests (`estimate`): with every identity and every seed counted once
it is the row itself. `overall` is taken of each seed and then averaged, as in the table.

Questions about one person stand or fall together, so persons are drawn, not questions; forget, retain, general and
language identities are drawn apart. Target, gold and all rows that were asked the same items are read on the same
draw, so a difference of two rows is a paired one. Seeds are drawn for each row apart: seed 0 of one method has nothing
to do with seed 0 of another. Columns without a pool (`broken`, the loss of passages) are taken as they were measured.
"""

import math
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from smllmun_bench.metrics.aggregate import Values
from smllmun_bench.metrics.statistics import Interval, mean, percentiles, seed_weights
from smllmun_bench.schema import Score
from smllmun_bench.scoring.columns import DRAWN, MEANS, MEMORY, counted, identity
from smllmun_bench.scoring.summary import column_means, overall_values, score_vector
from smllmun_bench.scoring.vectors import ScoreVector

DRAWS = 20_000  # the smallest p is 2 / (DRAWS + 1): of 40 tests, Holm leaves it at .004
BLOCK = 1000  # draws that are held at a time, fewer where there are many identities
CELLS = 4_000_000  # of a block's weights in one pool, at most: 32 MB

Counts = Mapping[str, np.ndarray]
"""Pool -> how often each of its identities counts, (draws, identities)."""


@dataclass(frozen=True, slots=True)
class IdentityMeans:
    """The scores of one run as far as draws need them: column -> identity -> its mean; the columns as measured."""

    columns: Mapping[str, Mapping[str, float]]
    measured: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class RowRuns:
    """A row and what it is held against; `runs` are its seeds. `label` tells rows apart that draw their seeds."""

    runs: Sequence[IdentityMeans]
    target: IdentityMeans | None = None
    gold: IdentityMeans | None = None
    memory: Collection[str] = MEMORY
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """The columns of one pool in all models of a row; NaN-free `means` and `has`, (identities, slots)."""

    identities: tuple[str, ...]
    slots: Sequence[tuple[int, str]]  # model, column
    means: np.ndarray
    has: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRow:
    """A row as arrays, ready for `estimate`: its models are the seeds, then target and gold where there are both."""

    pools: Mapping[str, _Pool]
    measured: Sequence[Mapping[str, float | None]]
    seeds: int
    memory: Collection[str]
    label: str = ""


def identity_means(scores: Sequence[Score]) -> IdentityMeans:
    """What `table_draws` reads of a run: taken once for each run, however many rows it stands in."""
    items = counted(scores)
    columns: dict[str, dict[str, float]] = {}
    for column in DRAWN:
        values: dict[str, list[float]] = defaultdict(list)
        for score, value in zip(*items.get(column.name, ((), ())), strict=True):
            values[identity(score)].append(value)
        if values:
            columns[column.name] = {name: math.fsum(found) / len(found) for name, found in values.items()}
    return IdentityMeans(columns, asdict(column_means(items)))


def prepare(row: RowRuns) -> PreparedRow:
    everybody = [run for run in (*row.runs, row.target, row.gold) if run is not None]
    pools: dict[str, set[str]] = defaultdict(set)
    for run in everybody:
        for column in DRAWN:
            pools[column.pool].update(run.columns.get(column.name, ()))
    models = everybody if row.target is not None and row.gold is not None else row.runs
    arrays = {pool: _pool(pool, tuple(sorted(names)), models) for pool, names in sorted(pools.items()) if names}
    return PreparedRow(arrays, [model.measured for model in models], len(row.runs), row.memory, row.label)


def estimate(row: PreparedRow, counts: Counts, seeds: np.ndarray) -> dict[str, np.ndarray]:
    """The row, with each identity counted so often and each seed given such a share, (draws, seeds): one value a draw.

    Columns that all seeds have; `overall` where there are target and gold, NaN where a draw leaves it undefined. A
    column is NaN where the draw holds nobody who has it; `overall` then takes it as it was measured.
    """
    models = _columns(row, counts)
    runs = models[: row.seeds]
    each = {name: np.stack([run[name] for run in runs]) for name in runs[0] if all(name in run for run in runs)}
    found = {name: (seeds.T * values).sum(axis=0) for name, values in each.items()}
    if len(models) == row.seeds:
        return found
    ours = _filled({name: _over_seeds(name, row) for name in row.measured[0]}, each)
    target, gold = (_filled(row.measured[n], models[n]) for n in (-2, -1))
    overall: np.ndarray = (seeds.T * overall_values(ours, target, gold, memory=row.memory)).sum(axis=0)
    return found if np.isnan(overall).all() else found | {"overall": overall}


def table_draws(rows: Sequence[RowRuns], *, seed: int = 0, draws: int = DRAWS) -> list[dict[str, np.ndarray]]:
    """`estimate` of each row in `draws` draws. Memory is bounded: weights are held a block at a time.

    Which rows stand beside a row changes nothing in it.
    """
    prepared = [prepare(row) for row in rows]
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, row in enumerate(prepared):
        alike[tuple((name, pool.identities) for name, pool in row.pools.items())].append(number)
    found: list[list[dict[str, np.ndarray]]] = [[] for _ in rows]
    shares = [_seed_shares(row, seed, draws) for row in prepared]
    for numbers in alike.values():
        for block, counts in _blocks(prepared[numbers[0]].pools, seed, draws):
            for number in numbers:
                found[number].append(estimate(prepared[number], counts, shares[number][block]))
    return [_joined(blocks) for blocks in found]


def row_draws(
    runs: Sequence[Sequence[Score]],
    target: Sequence[Score],
    gold: Sequence[Score] | None,
    *,
    memory: Collection[str] = MEMORY,
    seed: int = 0,
    draws: int = DRAWS,
    label: str = "",
) -> dict[str, np.ndarray]:
    """Every column, and `overall` where it is defined, in each draw; `runs` are the scored items of each seed."""
    ours, before = [identity_means(scores) for scores in runs], identity_means(target)
    ideal = None if gold is None else identity_means(gold)
    return table_draws([RowRuns(ours, before, ideal, memory, label)], seed=seed, draws=draws)[0]


def row_intervals(
    runs: Sequence[Sequence[Score]],
    target: Sequence[Score],
    gold: Sequence[Score] | None,
    *,
    memory: Collection[str] = MEMORY,
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, Interval]:
    """95 % percentile intervals of every column of `ScoreVector` that can be drawn, and of `overall`."""
    drawn = row_draws(runs, target, gold, memory=memory, seed=seed, draws=draws)
    return {column: interval(values) for column, values in drawn.items()}


def interval(values: np.ndarray) -> Interval:
    """The 95 % percentile interval of draws; NaN draws are left out."""
    return percentiles(values[~np.isnan(values)], 0.95)


def mean_vector(runs: Sequence[Sequence[Score]]) -> ScoreVector:
    """The columns of several seeds, averaged; None where no seed has the column."""
    vectors = [score_vector(scores) for scores in runs]
    return ScoreVector(**{column.name: mean(getattr(vector, column.name) for vector in vectors) for column in MEANS})


def _pool(pool: str, identities: tuple[str, ...], models: Sequence[IdentityMeans]) -> _Pool:
    names = [column.name for column in DRAWN if column.pool == pool]
    slots = [(number, name) for name in names for number, model in enumerate(models) if name in model.columns]
    table = [[models[number].columns[name].get(who, np.nan) for number, name in slots] for who in identities]
    values = np.array(table, dtype=float).reshape(len(identities), len(slots))
    has = ~np.isnan(values)
    return _Pool(identities, slots, np.where(has, values, 0.0), has)


def _columns(row: PreparedRow, counts: Counts) -> list[dict[str, np.ndarray]]:
    """Of each model, its drawn columns."""
    found: list[dict[str, np.ndarray]] = [{} for _ in row.measured]
    for name, pool in row.pools.items():
        weights = counts[name]
        sums = weights @ pool.means
        present = np.broadcast_to(weights.sum(axis=1)[:, None], sums.shape)
        if (rare := ~pool.has.all(axis=0)).any():
            present = np.where(rare, weights @ pool.has.astype(float), present)
        values = np.divide(sums, present, out=np.full_like(sums, np.nan), where=present > 0)
        for (model, column), drawn in zip(pool.slots, np.ascontiguousarray(values.T), strict=True):
            found[model][column] = drawn
    return found


def _over_seeds(column: str, row: PreparedRow) -> Values | None:
    """A column as each seed measured it, (seeds, 1); None where one of them lacks it."""
    values = [value for model in row.measured[: row.seeds] if (value := model[column]) is not None]
    return np.array(values)[:, None] if len(values) == row.seeds else None


def _filled(measured: Mapping[str, Values | None], drawn: Mapping[str, np.ndarray]) -> dict[str, Values | None]:
    """Every column in every draw, as it was measured where it was not drawn."""
    filled = dict(measured)
    for name, values in drawn.items():
        known = measured[name]
        filled[name] = values if known is None else np.where(np.isnan(values), known, values)
    return filled


def _seed_shares(row: PreparedRow, seed: int, draws: int) -> np.ndarray:
    return seed_weights(row.seeds, draws=draws, seed=[seed, zlib.crc32(row.label.encode())])


def _blocks(pools: Mapping[str, _Pool], seed: int, draws: int) -> Iterator[tuple[slice, Counts]]:
    """Multinomial counts of each pool, a block of draws at a time; each pool has a stream of its own."""
    streams = {pool: np.random.default_rng([seed, zlib.crc32(pool.encode())]) for pool in pools}
    people = {name: len(pool.identities) for name, pool in pools.items()}
    block = max(1, min(BLOCK, CELLS // max(people.values(), default=1)))
    for start in range(0, draws, block):
        size = min(block, draws - start)
        yield (
            slice(start, start + size),
            {name: _multinomial(streams[name], n, size) for name, n in people.items()},
        )


def _multinomial(random: np.random.Generator, n: int, size: int) -> np.ndarray:
    """How often each of n comes up in n draws, (size, n), as `Generator.multinomial` gives it five times slower."""
    drawn = random.integers(0, n, size=(size, n), dtype=np.uint16 if n <= 2**16 else np.uint32)
    drawn = np.add(drawn, np.arange(size)[:, None] * n, dtype=np.int64)
    return np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(float)


def _joined(blocks: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    sizes = [len(next(iter(block.values()), ())) for block in blocks]
    names = dict.fromkeys(name for block in blocks for name in block)
    gaps = [np.full(size, np.nan) for size in sizes]
    return {
        name: np.concatenate([block.get(name, gap) for block, gap in zip(blocks, gaps, strict=True)]) for name in names
    }
