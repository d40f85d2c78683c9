"""Uncertainty. Questions about one person are not independent, so the person is the unit: average within, then over."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

EXACT_IDENTITIES = 14  # 2**14 sign patterns are counted one by one; above, they are sampled


class Interval(NamedTuple):
    low: float
    high: float


class Paired(NamedTuple):
    """a − b on the same items: the macro difference, its bootstrap interval, and the permutation p value."""

    difference: float
    low: float
    high: float
    p: float


def identity_means(values: Sequence[float], identities: Sequence[str]) -> np.ndarray:
    """Mean of each identity, identities in sorted order. Raises ValueError if lengths differ, empty, or NaN.

    >>> identity_means([1, 0, 1], ["a", "a", "b"]).tolist()
    [0.5, 1.0]
    """
    if len(values) != len(identities) or not len(values) or any(math.isnan(v) for v in values):
        raise ValueError("one identity per value, at least one value, and no NaN")
    grouped: dict[str, list[float]] = {}
    for value, identity in zip(values, identities, strict=True):
        grouped.setdefault(identity, []).append(value)
    return np.array([math.fsum(grouped[name]) / len(grouped[name]) for name in sorted(grouped)])


def macro(values: Sequence[float], identities: Sequence[str]) -> float:
    """Mean over identities of each identity's mean. Does not depend on the order of the items, to the last bit.

    >>> macro([1, 0, 1], ["a", "a", "b"])
    0.75
    """
    means = identity_means(values, identities)
    return math.fsum(means) / len(means)


def bootstrap(
    values: Sequence[float], identities: Sequence[str], *, seed: int, level: float = 0.95, draws: int = 2000
) -> Interval:
    """Percentile interval of the macro mean: identities are drawn with replacement (Efron 1979, cluster form).

    >>> bootstrap([1.0, 1.0, 1.0], ["a", "b", "c"], seed=0)
    Interval(low=1.0, high=1.0)
    """
    return _percentiles(_resampled(identity_means(values, identities), seed, draws), level)


def compare(
    a: Sequence[float],
    b: Sequence[float],
    identities: Sequence[str],
    *,
    seed: int,
    level: float = 0.95,
    draws: int = 2000,
) -> Paired:
    """Paired comparison of two models on the same items, identity as the unit. Positive: `a` is higher.

    >>> compare([1.0, 1.0], [1.0, 1.0], ["x", "y"], seed=0)
    Paired(difference=0.0, low=0.0, high=0.0, p=1.0)
    """
    if len(a) != len(b):
        raise ValueError("paired values must be of the same items")
    means = identity_means([x - y for x, y in zip(a, b, strict=True)], identities)
    low, high = _percentiles(_resampled(means, seed, draws), level)
    return Paired(math.fsum(means) / len(means), low, high, sign_flip_p(means, seed=seed, draws=draws))


def sign_flip_p(differences: Sequence[float] | np.ndarray, *, seed: int, draws: int = 2000) -> float:
    """Two-sided permutation p: share of random sign patterns whose |sum| is at least the observed one.

    Exact up to 14 identities; sampled above, with the observed pattern counted, so that p is never 0.

    >>> sign_flip_p([1.0, 1.0, 1.0], seed=0)
    0.25
    """
    values = np.asarray(differences, dtype=float)
    observed = abs(float(values.sum())) - 1e-12  # equal sums may differ in the last bit
    n = values.size
    if n <= EXACT_IDENTITIES:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float((np.abs((1 - 2 * bits) @ values) >= observed).mean())
    random, hits, left = np.random.default_rng(seed), 0, draws
    while left:  # in blocks, so that memory stays small for many identities
        block = min(left, max(1, 2_000_000 // n))
        signs = 1 - 2 * random.integers(0, 2, size=(block, n), dtype=np.int8)
        hits += int((np.abs(signs @ values) >= observed).sum())
        left -= block
    return (hits + 1) / (draws + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment for a table of tests: p_(i) becomes max over j ≤ i of min(1, (m − j + 1)·p_(j)).

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted


def _resampled(means: np.ndarray, seed: int, draws: int) -> np.ndarray:
    random, n = np.random.default_rng(seed), len(means)
    weights = np.full(n, 1 / n)
    return np.array([random.multinomial(n, weights) @ means / n for _ in range(draws)])


def _percentiles(samples: np.ndarray, level: float) -> Interval:
    tail = (1 - level) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Interval(float(low), float(high))
