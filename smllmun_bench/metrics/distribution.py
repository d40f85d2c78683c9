"""Are two samples, or two distributions, the same? Used to hold an unlearned model against the gold model."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

EXACT_CELLS = 1_000_000  # above this many lattice cells, exact integers would take seconds


class Ks(NamedTuple):
    """`d` in [0, 1], 0 = same; `p` the two-sided p value. p shrinks with n: never compare it across sizes."""

    d: float
    p: float


def ks_two_sample(a: Sequence[float], b: Sequence[float]) -> Ks:
    """Two-sample Kolmogorov-Smirnov: D = max |F_a − F_b| and its exact two-sided p (Hodges 1958).

    p is the share of orderings of the pooled sample whose D is at least as large, counted in whole numbers, so that
    values such as 1e-25 are right too. Ties are treated as SciPy does, which makes p conservative. Very large
    samples go to SciPy. Raises ValueError for an empty sample or a NaN.

    >>> ks_two_sample([1, 2, 3, 4], [5, 6, 7, 8])
    Ks(d=1.0, p=0.02857142857142857)
    >>> d, p = ks_two_sample([1, 2, 3, 4], [3, 4, 5, 6]); d, round(p, 3)
    (0.5, 0.771)
    """
    x, y = _sample(a), _sample(b)
    pooled = np.concatenate([x, y])
    below_x = np.searchsorted(x, pooled, side="right").astype(np.int64)
    below_y = np.searchsorted(y, pooled, side="right").astype(np.int64)
    steps = int(np.abs(below_x * len(y) - below_y * len(x)).max())  # D in units of 1/(n·m), free of rounding
    d = steps / (len(x) * len(y))
    if len(x) * len(y) <= EXACT_CELLS:
        return Ks(d, _exact_p(len(x), len(y), steps))
    from scipy.stats import ks_2samp  # type: ignore[import-untyped]  # SciPy ships no types

    return Ks(d, float(ks_2samp(x, y).pvalue))


def _exact_p(n: int, m: int, steps: int) -> float:
    """Share of lattice paths from (0, 0) to (n, m) that touch |i·m − j·n| >= steps."""
    if steps == 0:
        return 1.0
    inside = [1] * (m + 1)
    for i in range(n + 1):
        for j in range(m + 1):
            if abs(i * m - j * n) >= steps:
                inside[j] = 0
            elif j and i:
                inside[j] += inside[j - 1]
            elif j:
                inside[j] = inside[j - 1]
    total = math.comb(n + m, n)
    return (total - inside[m]) / total


def jensen_shannon(a: Sequence[float], b: Sequence[float], *, bins: int = 50, base: float = 2.0) -> float:
    """Jensen-Shannon divergence of two samples' histograms: ½KL(P‖M) + ½KL(Q‖M), M = (P + Q)/2.

    Equal bins from the pooled minimum to the pooled maximum. In [0, 1] at base 2; 0 = same, 1 = disjoint; numbers that
    lie too close together to be parted by so many bins are the same. Raises ValueError for an empty sample or a NaN.

    >>> round(jensen_shannon([0, 1], [0, 0]), 3)
    0.311
    """
    x, y = _sample(a), _sample(b)
    low, high = float(min(x[0], y[0])), float(max(x[-1], y[-1]))
    if (np.diff(np.linspace(low, high, bins + 1)) <= 0).any():
        return 0.0
    p, q = (np.histogram(s, bins=bins, range=(low, high))[0] / len(s) for s in (x, y))
    m = (p + q) / 2
    parts = [float((s[s > 0] * np.log(s[s > 0] / m[s > 0])).sum()) for s in (p, q)]
    return max(0.0, (parts[0] + parts[1]) / 2 / math.log(base))


def jensen_shannon_distance(a: Sequence[float], b: Sequence[float], *, bins: int = 50, base: float = 2.0) -> float:
    """Square root of the divergence, a metric. CLEAR and Open-MMunlearning report it with base e (at most .833).

    >>> round(jensen_shannon_distance([0, 1], [0, 0]), 3), round(jensen_shannon_distance([0], [1], base=math.e), 3)
    (0.558, 0.833)
    """
    return math.sqrt(jensen_shannon(a, b, bins=bins, base=base))


def concept_distance(reference: Sequence[float], model: Sequence[float]) -> float:
    """C-Dis: mean over concept tokens of −p_ref · ln(p_ref / p_θ) (MMUBench, SIU; natural log assumed).

    At most 1/e per token; lower = the model gives the concept less probability than the reference does. Raises
    ValueError unless both are equally long, not empty, and positive.

    >>> round(concept_distance([0.5], [0.25]), 3)
    -0.347
    """
    p, q = np.asarray(reference, dtype=float), np.asarray(model, dtype=float)
    if p.shape != q.shape or p.size == 0 or not ((p > 0).all() and (q > 0).all()):
        raise ValueError("concept distance needs two equally long lists of positive probabilities")
    return float((-p * np.log(p / q)).mean())


def _sample(values: Sequence[float]) -> np.ndarray:
    sample = np.sort(np.asarray(values, dtype=float))
    if sample.size == 0 or np.isnan(sample).any():
        raise ValueError("a sample must hold numbers, at least one, and no NaN")
    return sample
