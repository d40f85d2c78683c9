"""How sure a row of the table is: identities are drawn again with replacement, seeds averaged within each identity.

Questions about one person stand or fall together, so persons are drawn, not questions; forget, retain and general
identities are drawn apart. Target and gold are read on the same draw. `broken` is taken as it was measured.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from smllmun_bench.schema import Kind, Modality, Role, Score
from smllmun_bench.scoring import ScoreVector, overall, summarise

DRAWS = 1000
LEVEL = 0.95

_COLUMNS: Mapping[str, tuple[tuple[Role, ...], Modality | None, Kind | None, str]] = {
    "forget_image": ((Role.FORGET,), Modality.IMAGE_TEXT, Kind.OPEN, "forget"),
    "forget_text": ((Role.FORGET,), Modality.TEXT, Kind.OPEN, "forget"),
    "retain_image": ((Role.RETAIN,), Modality.IMAGE_TEXT, Kind.OPEN, "retain"),
    "retain_text": ((Role.RETAIN,), Modality.TEXT, Kind.OPEN, "retain"),
    "understanding_forget": ((Role.UNDERSTANDING_FORGET,), None, None, "forget"),
    "understanding_retain": ((Role.UNDERSTANDING_RETAIN,), None, None, "retain"),
    "general_vqa": ((Role.GENERAL,), None, None, "general"),
}


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
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, Interval]:
    """95 % percentile intervals of every column of `ScoreVector` that can be drawn, and of `overall`.

    `runs` are the scored items of one method, one list per seed.
    """
    groups = [runs, [target], *([[gold]] if gold is not None else [])]
    ours, *others = drawn_columns(groups, seed=seed, draws=draws)
    found = {column: _interval(values) for column, values in ours.items()}
    if gold is None:
        return found
    fixed = [_mean_vector(group) for group in (runs, [target], [gold])]
    samples: list[float] = []
    for draw in range(draws):
        vectors = [_vector(fixed[i], part, draw) for i, part in enumerate((ours, *others))]
        value = overall(vectors[0], vectors[1], vectors[2])
        if value is not None:
            samples.append(value)
    if samples:
        found["overall"] = _interval(np.array(samples))
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
    return [_drawn(group, everybody, weights) for group in groups]


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


def _belongs(score: Score, column: str) -> bool:
    roles, modality, kind, _ = _COLUMNS[column]
    return score.role in roles and modality in (None, score.modality) and kind in (None, score.kind)


def _identity(score: Score) -> str:
    return score.entity_id or f"item {score.item_id}"


def _members(groups: Sequence[Sequence[Score]]) -> dict[str, list[str]]:
    """Pool -> the identities that any column of it has."""
    pools: dict[str, set[str]] = defaultdict(set)
    for scores in groups:
        for score in scores:
            for column, (_, _, _, pool) in _COLUMNS.items():
                if _belongs(score, column):
                    pools[pool].add(_identity(score))
    return {pool: sorted(names) for pool, names in pools.items()}


def _drawn(
    runs: Sequence[Sequence[Score]], everybody: Mapping[str, Sequence[str]], weights: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    result: dict[str, np.ndarray] = {}
    for column, (_, _, _, pool) in _COLUMNS.items():
        sums: dict[str, list[float]] = defaultdict(list)
        for scores in runs:
            for score in scores:
                if _belongs(score, column):
                    sums[_identity(score)].append(score.headline)
        if not sums:
            continue
        has = np.array([name in sums for name in everybody[pool]], dtype=float)
        means = np.array([sum(sums[name]) / len(sums[name]) if name in sums else 0.0 for name in everybody[pool]])
        counted = weights[pool] @ has
        if counted.any():
            result[column] = np.divide(
                weights[pool] @ means, counted, out=np.full(len(counted), np.nan), where=counted > 0
            )
    return result


def _vector(fixed: ScoreVector, drawn: Drawn, draw: int) -> ScoreVector:
    values = {field.name: getattr(fixed, field.name) for field in fields(ScoreVector)}
    known = {column: float(array[draw]) for column, array in drawn.items() if not np.isnan(array[draw])}
    return ScoreVector(**values | known)


def _interval(values: np.ndarray) -> Interval:
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
