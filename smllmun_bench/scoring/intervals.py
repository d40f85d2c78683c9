"""How sure a row of the table is: identities are drawn again with replacement, and so are the seeds of a row.

Questions about one person stand or fall together, so persons are drawn, not questions; forget, retain, general
and language identities are drawn apart. Target and gold are read on the same draw. `broken` and the loss of passages
are taken as they were measured.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from smllmun_bench.metrics.statistics import seed_weights
from smllmun_bench.schema import Score
from smllmun_bench.scoring.columns import DRAWN, MEMORY, Column, identity
from smllmun_bench.scoring.summary import overall, summarise
from smllmun_bench.scoring.vectors import ScoreVector

DRAWS = 1000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


Drawn = Mapping[str, np.ndarray]
"""Column -> its value in each draw, NaN where the draw holds none of its identities."""


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
    return {
        column: interval(values)
        for column, values in row_draws(runs, target, gold, memory=memory, seed=seed, draws=draws).items()
    }


def row_draws(
    runs: Sequence[Sequence[Score]],
    target: Sequence[Score],
    gold: Sequence[Score] | None,
    *,
    memory: Collection[str] = MEMORY,
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, np.ndarray]:
    """Every column, and `overall` where it is defined, in each draw; NaN where it is not.

    `runs` are the scored items of one method, one list per seed; `memory` is as for `scoring.overall`. Rows that were
    asked the same items see the same draws, so their difference is a paired one.
    """
    groups = [runs, [target], *([[gold]] if gold is not None else [])]
    ours, *others = drawn_columns(groups, seed=seed, draws=draws)
    found = dict(ours)
    if gold is None:
        return found
    fixed = [_mean_vector(group) for group in (runs, [target], [gold])]
    samples = np.full(draws, np.nan)
    for draw in range(draws):
        vectors = [_vector(fixed[i], part, draw) for i, part in enumerate((ours, *others))]
        value = overall(vectors[0], vectors[1], vectors[2], memory=memory)
        if value is not None:
            samples[draw] = value
    if not np.isnan(samples).all():
        found["overall"] = samples
    return found


def drawn_columns(
    groups: Sequence[Sequence[Sequence[Score]]], *, seed: int = 0, draws: int = DRAWS
) -> list[dict[str, np.ndarray]]:
    """For each group (the seeds of one model): column -> its value in every draw. All groups see the same draws."""
    everybody = _members([scores for group in groups for scores in group])
    weights = {
        pool: np.random.default_rng([seed, number]).multinomial(len(names), [1 / len(names)] * len(names), draws)
        for number, (pool, names) in enumerate(sorted(everybody.items()))
    }
    return [_drawn(group, everybody, weights, seed_weights(len(group), draws=draws, seed=seed)) for group in groups]


def mean_vector(runs: Sequence[Sequence[Score]]) -> ScoreVector:
    """The columns of several seeds, averaged; None where no seed has the column."""
    return _mean_vector(runs)


def _mean_vector(runs: Sequence[Sequence[Score]]) -> ScoreVector:
    vectors = [summarise(scores).vector for scores in runs]
    values: dict[str, float | None] = {}
    for field in fields(ScoreVector):
        known = [value for value in (getattr(vector, field.name) for vector in vectors) if value is not None]
        values[field.name] = sum(known) / len(known) if known else None
    return ScoreVector(**values)


def _members(groups: Sequence[Sequence[Score]]) -> dict[str, list[str]]:
    """Pool -> the identities that any column of it has."""
    pools: dict[str, set[str]] = defaultdict(set)
    for scores in groups:
        for score in scores:
            for column in DRAWN:
                if column.value(score) is not None:
                    pools[column.pool].add(identity(score))
    return {pool: sorted(names) for pool, names in pools.items()}


def _drawn(
    runs: Sequence[Sequence[Score]],
    everybody: Mapping[str, Sequence[str]],
    weights: Mapping[str, np.ndarray],
    seeds: np.ndarray,
) -> dict[str, np.ndarray]:
    result: dict[str, np.ndarray] = {}
    for column in DRAWN:
        pool = column.pool
        tables = [_identity_means(scores, column, everybody[pool]) for scores in runs if pool in everybody]
        drawn = [_divided(weights[pool] @ means, weights[pool] @ has) for means, has in tables if has.any()]
        if len(drawn) == len(runs):
            result[column.name] = (seeds * np.stack(drawn, axis=1)).sum(axis=1)
    return result


def _identity_means(scores: Sequence[Score], column: Column, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Each identity's mean in one column of one seed (0 where it has none), and whether it has any."""
    values: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        if (value := column.value(score)) is not None:
            values[identity(score)].append(value)
    means = [sum(values[name]) / len(values[name]) if name in values else 0.0 for name in names]
    return np.array(means), np.array([name in values for name in names], dtype=float)


def _divided(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return result


def _vector(fixed: ScoreVector, drawn: Drawn, draw: int) -> ScoreVector:
    values = {field.name: getattr(fixed, field.name) for field in fields(ScoreVector)}
    known = {column: float(array[draw]) for column, array in drawn.items() if not np.isnan(array[draw])}
    return ScoreVector(**values | known)


def interval(values: np.ndarray) -> Interval:
    """The percentile interval of draws; NaN draws are left out."""
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
