"""Do two judges say the same? On the answers that both rated, with the others counted."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Agreement:
    """`n` answers rated by both. `only_a`, `only_b`: rated by one; `neither`: by none, of those that both were asked.

    `same` and `within_one` are shares of n. Kappas correct for chance: `kappa` (Cohen 1960) counts equal ratings
    only, `weighted_kappa` (Cohen 1968, quadratic weights) near ones too. They and `pearson` are None, undefined,
    where both judges gave one and the same rating throughout (Pearson: where one of them did), or n is 0.
    """

    n: int
    only_a: int
    only_b: int
    neither: int
    same: float | None
    within_one: float | None
    kappa: float | None
    weighted_kappa: float | None
    pearson: float | None
    mean_a: float | None
    mean_b: float | None


def agreement(a: Mapping[str, int | None], b: Mapping[str, int | None]) -> Agreement:
    """Of two judges' ratings by item id; None is an answer that the judge was asked about and did not rate.

    >>> found = agreement({"p": 1, "q": 1, "r": 0, "s": 0}, {"p": 1, "q": 0, "r": 0, "s": 0})
    >>> found.same, found.kappa
    (0.75, 0.5)
    """
    shared = sorted(a.keys() & b.keys())
    pairs = [(first, second) for i in shared if (first := a[i]) is not None and (second := b[i]) is not None]
    counts = Counter((a[i] is not None, b[i] is not None) for i in shared)
    n = len(pairs)
    if n == 0:
        return Agreement(0, counts[True, False], counts[False, True], counts[False, False], *[None] * 7)
    x, y = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    apart = np.abs(x - y)
    return Agreement(
        n,
        counts[True, False],
        counts[False, True],
        counts[False, False],
        float((apart == 0).mean()),
        float((apart <= 1).mean()),
        _kappa(pairs, lambda gap: int(gap != 0)),
        _kappa(pairs, lambda gap: gap * gap),
        float(np.corrcoef(x, y)[0, 1]) if x.std() > 0 and y.std() > 0 else None,
        float(x.mean()),
        float(y.mean()),
    )


def _kappa(pairs: Sequence[tuple[int, int]], cost: Callable[[int], int]) -> float | None:
    """1 − Σ cost · observed / Σ cost · expected by chance; None where chance alone costs nothing."""
    n, first, second = len(pairs), Counter(x for x, _ in pairs), Counter(y for _, y in pairs)
    observed = sum(cost(x - y) for x, y in pairs)
    expected = sum(cost(x - y) * count_x * count_y for x, count_x in first.items() for y, count_y in second.items())
    return 1 - observed * n / expected if expected else None
