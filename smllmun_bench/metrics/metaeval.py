"""Which metric of memory can be trusted? It has to tell models that saw the facts from models that did not
(faithfulness), and an attack must not show that it was fooled (robustness). After Dorna et al. 2025 (open-unlearning,
arXiv 2506.12618).

All memory values here point the same way: higher means that more is remembered.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from smllmun_bench.metrics.composites import harmonic_mean
from smllmun_bench.metrics.mia import auc
from smllmun_bench.metrics.statistics import mean


@dataclass(frozen=True, slots=True)
class Attacked:
    """A metric of one model before and after an attack."""

    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """One metric. `faithfulness`, `relearning`, `quantisation` and `overall` are in [0, 1]; None: no such models."""

    metric: str
    faithfulness: float
    relearning: float | None
    quantisation: float | None
    overall: float | None


def faithfulness(saw: Sequence[float], never_saw: Sequence[float]) -> float:
    """P(a model that saw the facts scores higher) + ½ P(tie): 1 tells the pools apart, .5 knows nothing.

    >>> faithfulness([0.9, 0.8], [0.1, 0.8]), faithfulness([0.5], [0.5])
    (0.875, 0.5)
    """
    return auc(saw, never_saw)


def relearning(unlearned: Attacked, gold: Attacked) -> float:
    """min(Δ_gold / Δ_unlearned, 1), floor 0, with Δ = after − before; Δ_unlearned ≤ 0 gives 1.

    1 if the memory comes back no faster than it comes to a model that never had it.

    >>> relearning(Attacked(0.0, 0.4), Attacked(0.0, 0.2)), relearning(Attacked(0.3, 0.2), Attacked(0.0, 0.2))
    (0.5, 1.0)
    """
    gain = unlearned.after - unlearned.before
    if gain <= 0:
        return 1.0
    return min(1.0, max(0.0, (gold.after - gold.before) / gain))


def quantisation(unlearned: Attacked) -> float:
    """min(before / after, 1): below 1 if rounding the weights brought memory back. after ≤ 0 gives 1.

    >>> quantisation(Attacked(0.2, 0.4)), quantisation(Attacked(0.2, 0.1)), quantisation(Attacked(0.2, 0.0))
    (0.5, 1.0, 1.0)
    """
    return 1.0 if unlearned.after <= 0 else max(0.0, min(1.0, unlearned.before / unlearned.after))


def verdict(
    metric: str,
    saw: Sequence[float],
    never_saw: Sequence[float],
    relearned: Sequence[tuple[Attacked, Attacked]] = (),
    quantised: Sequence[Attacked] = (),
) -> Verdict:
    """Faithfulness over the pools; each robustness is the mean over the unlearned models that were attacked.

    `relearned` pairs each model with gold under the same attack. `overall` is the harmonic mean of faithfulness and
    the mean of the two robustness figures, None unless both are there.
    """
    faithful = faithfulness(saw, never_saw)
    again = mean([relearning(ours, gold) for ours, gold in relearned])
    coarse = mean([quantisation(ours) for ours in quantised])
    robust = None if again is None or coarse is None else (again + coarse) / 2
    overall = None if robust is None else harmonic_mean([faithful, robust])
    return Verdict(metric, faithful, again, coarse, overall)


def ranked(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Best first: by overall where it is known, then by faithfulness, then by name."""
    return sorted(verdicts, key=lambda v: (-(v.overall if v.overall is not None else -1), -v.faithfulness, v.metric))
