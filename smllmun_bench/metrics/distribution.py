"""Are two samples, or two distributions, the same? Used to hold an unlearned model against the gold model."""

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

EXACT_ITEMS = 10_000  # SciPy's own limit: in larger samples the asymptotic p is as good, and exact takes minutes


class Ks(NamedTuple):
    """`d` in [0, 1], 0 = same; `p` the two-sided p value. p shrinks with n: never compare it across sizes."""

    d: float
    p: float


def ks_two_sample(a: Sequence[float], b: Sequence[float]) -> Ks:
    """Two-sample Kolmogorov-Smirnov: D = max |F_a − F_b| and its exact two-sided p (Hodges 1958), by SciPy.

    p is the share of orderings of the pooled sample whose D is at least as large, and right for values such as 1e-25
    too. Ties make it conservative. Asymptotic above `EXACT_ITEMS`. Raises ValueError for an empty sample or a NaN.

    >>> d, p = ks_two_sample([1, 2, 3, 4], [5, 6, 7, 8]); d, round(p, 6)
    (1.0, 0.028571)
    >>> d, p = ks_two_sample([1, 2, 3, 4], [3, 4, 5, 6]); d, round(p, 3)
    (0.5, 0.771)
    """
    from scipy.stats import ks_2samp  # type: ignore[import-untyped]  # SciPy ships no types; half a second to import

    x, y = _sample(a), _sample(b)
    with warnings.catch_warnings(record=True) as approximated:
        warnings.simplefilter("always")
        found = ks_2samp(x, y, method="exact" if max(len(x), len(y)) <= EXACT_ITEMS else "asymp")
    cells = len(x) * len(y)
    d = round(found.statistic * cells) / cells  # a whole number of 1/(n·m), free of rounding
    # SciPy approximates where rounding carries its exact sum above 1, which is where p is 1.
    return Ks(d, 1.0 if approximated and found.pvalue > 0.5 else float(found.pvalue))


def jensen_shannon(a: Sequence[float], b: Sequence[float], *, bins: int = 50, base: float = 2.0) -> float:
    """Jensen-Shannon divergence of two samples' histograms: ½KL(P‖M) + ½KL(Q‖M), M = (P + Q)/2.

    Equal bins from the pooled minimum to the pooled maximum, however close together or far apart these lie. In [0, 1]
    at base 2; 0 = same, 1 = disjoint. Raises ValueError for an empty sample, a NaN or an infinite number.

    >>> round(jensen_shannon([0, 1], [0, 0]), 3)
    0.311
    """
    x, y = _sample(a), _sample(b)
    low, high = float(min(x[0], y[0])), float(max(x[-1], y[-1]))
    if low == high:
        return 0.0
    half = 0.5 if math.isinf(high - low) else 1.0
    if half < 1 or (np.diff(np.linspace(low, high, bins + 1)) <= 0).any():  # no float stands for some edge: scale first
        x, y = ((s * half - low * half) / (high * half - low * half) for s in (x, y))
        low, high = 0.0, 1.0
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
    if sample.size == 0:
        raise ValueError("a sample must hold numbers, at least one, and no NaN")
    if not np.isfinite(sample).all():
        odd = sample[~np.isfinite(sample)][0]
        raise ValueError(f"a sample must hold finite numbers, and no NaN: it has {odd}")
    return sample
