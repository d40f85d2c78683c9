"""Uncertainty. Questions about one person are not independent, so the person is the unit: average within, then over."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

EXACT_IDENTITIES = 14  # 2**14 sign patterns are counted one by one; above, they are sampled


class Interval(NamedTuple):
    low: float
    high: float


class Difference(NamedTuple):
    """ours − theirs on the same items: the macro mean, its bootstrap interval, and the permutation p value."""

    mean: float
    low: float
    high: float
    p: float


class Correlation(NamedTuple):
    tau: float
    low: float
    high: float
    p: float


ByIdentity = Mapping[str, Sequence[float]]
"""Identity -> its values, one per item, in an order that is the same for both models that are compared."""


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of the values that there are, summed exactly; None where there are none.

    >>> mean([1.0, None, 0.5]), mean([None])
    (0.75, None)
    """
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present else None


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
    return percentiles(_resampled(identity_means(values, identities), seed, draws), level)


def paired_difference(
    ours: ByIdentity, theirs: ByIdentity, *, draws: int = 2000, seed: int = 0, level: float = 0.95
) -> Difference:
    """Two models on the same items, identity as the unit. Positive: ours is higher.

    Items are paired one by one, averaged within each identity, then identities are drawn again (interval) and their
    signs flipped (p). With n identities p cannot be below 2/2**n. Raises ValueError unless both hold the same
    identities with equally many values, no NaN.

    >>> paired_difference({"x": [1.0, 1.0], "y": [1.0]}, {"x": [1.0, 0.0], "y": [0.0]}, seed=0)
    Difference(mean=0.75, low=0.5, high=1.0, p=0.5)
    """
    differences = identity_differences(ours, theirs)
    low, high = percentiles(_resampled(differences, seed, draws), level)
    mean = math.fsum(differences) / len(differences)
    return Difference(mean, low, high, sign_flip_p(differences, seed=seed, draws=draws))


def identity_differences(ours: ByIdentity, theirs: ByIdentity) -> np.ndarray:
    """Each identity's mean of ours − theirs, identities in sorted order. Raises ValueError as `paired_difference`."""
    if ours.keys() != theirs.keys() or any(len(ours[name]) != len(theirs[name]) for name in ours):
        raise ValueError("paired values must be of the same identities and items")
    names = [name for name in sorted(ours) for _ in ours[name]]
    values = [a - b for name in sorted(ours) for a, b in zip(ours[name], theirs[name], strict=True)]
    return identity_means(values, names)


def seed_weights(seeds: int, *, draws: int, seed: int | Sequence[int]) -> np.ndarray:
    """Shares of the seeds in each draw, (draws, seeds): the second level of the bootstrap.

    Seeds are drawn with replacement and apart from the identities, since every seed is asked about the same people
    (a crossed design; Owen 2007, the pigeonhole bootstrap). With one seed there is nothing to draw and the interval
    says nothing about seeds; with two or three it still says too little.

    >>> seed_weights(1, draws=2, seed=0).tolist()
    [[1.0], [1.0]]
    """
    shares: np.ndarray = np.random.default_rng(seed).multinomial(seeds, [1 / seeds] * seeds, draws) / seeds
    return shares


def bootstrap_p(differences: Sequence[float] | np.ndarray) -> float:
    """Two-sided p that a difference is 0, from its bootstrap draws: twice the smaller share beyond 0, at most 1.

    The observed sample is counted on both sides, so p is never 0. NaN draws (undefined scores) are left out; with
    none left p is 1.

    >>> bootstrap_p([0.1] * 99), bootstrap_p([-0.1, 0.1] * 10), bootstrap_p([])
    (0.02, 1.0, 1.0)
    """
    values = np.asarray(differences, dtype=float)
    values = values[~np.isnan(values)]
    least = min(int((values <= 0).sum()), int((values >= 0).sum()))
    return float(min(1.0, 2 * (least + 1) / (values.size + 1)))


def smallest_difference(spread: float, identities: int, *, level: float = 0.95, power: float = 0.8) -> float:
    """The power note: the mean difference that a test at `level` finds with probability `power`.

    (z₁₋α⁄₂ + z_power) · spread / √identities, where `spread` is the standard deviation of the difference between
    persons: the normal approximation, so too small with few identities. Raises ValueError for no identities.

    >>> round(smallest_difference(0.5, 20), 3)
    0.313
    """
    if identities < 1 or spread < 0:
        raise ValueError("a power note needs an identity, and a spread that is not negative")
    normal = NormalDist()
    both = normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(power)
    return float(both * spread / math.sqrt(identities))


def least_sign_flip_p(identities: int, *, draws: int = 2000) -> float:
    """The smallest p that `sign_flip_p` can give: that of a sign which is the same for all.

    2/2ⁿ where the patterns are counted one by one; 1/(draws + 1) where they are sampled.

    >>> least_sign_flip_p(6), least_sign_flip_p(20, draws=1999)
    (0.03125, 0.0005)
    """
    return max(2 * 0.5**identities, 1 / (draws + 1) if identities > EXACT_IDENTITIES else 0.0)


def least_bootstrap_p(draws: int) -> float:
    """The smallest p that `bootstrap_p` can give: that of a difference which no draw turns round.

    >>> least_bootstrap_p(1999)
    0.001
    """
    return min(1.0, 2 / (draws + 1))


def can_reject(identities: int, tests: int = 1, *, level: float = 0.05, draws: int = 2000) -> bool:
    """Whether `tests` sign-flip tests over so many identities can find anything at `level` after Holm's correction.

    >>> can_reject(6), can_reject(6, tests=2), can_reject(20, tests=100), can_reject(20, tests=101)
    (True, False, True, False)
    """
    return least_sign_flip_p(identities, draws=draws) * tests <= level


def draws_can_reject(draws: int, tests: int = 1, *, level: float = 0.05) -> bool:
    """The same of `tests` tests by `bootstrap_p` from so many draws.

    >>> draws_can_reject(1000, tests=25), draws_can_reject(1000, tests=26), draws_can_reject(20_000, tests=39)
    (True, False, True)
    """
    return least_bootstrap_p(draws) * tests <= level


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


def kendall(ours: Sequence[float], theirs: Sequence[float], *, draws: int = 2000, seed: int = 0) -> Correlation:
    """Kendall's τ_b of two rankings of the same things, with the interval that comes from drawing the things again,
    and the permutation p that the rankings have nothing to do with each other.

    (concordant − discordant) / √(pairs that `ours` tells apart · pairs that `theirs` tells apart), in [−1, 1]. NaN if
    one side tells nothing apart; draws that do not are left out. The interval says nothing about how sure each value
    is, and where no pair disagrees it has no width, however few things there are: p then tells what that is worth.
    p is two-sided, with the observed order counted. Raises ValueError for unequal lengths, fewer than two values, or
    NaN.

    >>> [round(value, 2) for value in kendall([1, 2, 3, 4], [1, 2, 4, 3])]
    [0.67, -1.0, 1.0, 0.35]
    """
    if len(ours) != len(theirs) or len(ours) < 2 or any(math.isnan(value) for value in (*ours, *theirs)):
        raise ValueError("two values for each of at least two things, and no NaN")
    n = len(ours)
    a, b = (np.sign(np.subtract.outer(values, values)) for values in (np.asarray(ours), np.asarray(theirs)))
    random = np.random.default_rng(seed)
    weights = np.vstack([np.ones((1, n)), random.multinomial(n, [1 / n] * n, draws)])
    both, first, second = (((weights @ pairs) * weights).sum(axis=1) for pairs in (a * b, a * a, b * b))
    norm = np.sqrt(first * second)
    taus = np.divide(both, norm, out=np.full(draws + 1, np.nan), where=norm > 0)
    if math.isnan(taus[0]):
        return Correlation(math.nan, math.nan, math.nan, math.nan)
    shuffled = [abs((a * b[np.ix_(order, order)]).sum()) for order in (random.permutation(n) for _ in range(draws))]
    p = (1 + sum(value >= abs(both[0]) for value in shuffled)) / (1 + draws)
    return Correlation(float(taus[0]), *percentiles(taus[1:][~np.isnan(taus[1:])], 0.95), float(p))


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


def percentiles(samples: np.ndarray, level: float) -> Interval:
    """The interval that holds the middle `level` of the samples."""
    tail = (1 - level) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Interval(float(low), float(high))
