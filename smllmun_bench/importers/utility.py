"""TOFU's two published numbers, from the parts that the logs of TOFU and of open-unlearning both come to."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from smllmun_bench.metrics.composites import model_utility
from smllmun_bench.metrics.distribution import ks_two_sample
from smllmun_bench.metrics.probability import truth_ratio_forget, truth_ratio_retain
from smllmun_bench.metrics.statistics import mean

KEPT_SETS = ("retain", "real_authors", "world_facts")
PARTS = ("probability", "rouge_l_recall", "truth_ratio")
CLOSE = 1e-6  # a recorded number and ours are the same up to this; logs keep all digits of a float


@dataclass(frozen=True, slots=True)
class SetScores:
    """One set of questions: means in [0, 1], None where the log does not hold what they need; `n` questions."""

    n: int
    probability: float | None
    rouge_l_recall: float | None
    truth_ratio: float | None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A number that the log gives itself and that its own items do not come to."""

    name: str
    recorded: float
    recomputed: float


@dataclass(frozen=True, slots=True)
class Utility:
    """`model_utility`: harmonic mean of nine, undefined unless all nine are there (`missing` names the others).

    `forget_quality` is the two-sided p of a KS test of the truth ratios against the retain log's, `forget_ks` its D;
    undefined without a retain log. p shrinks with the number of questions: compare it within one forget set only.
    What is undefined is the number that the log gives itself (`as_logged` names it), else None.
    """

    sets: dict[str, SetScores]
    model_utility: float | None
    missing: tuple[str, ...]
    forget_quality: float | None = None
    forget_ks: float | None = None
    as_logged: tuple[str, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    notes: tuple[str, ...] = field(default=())


def utility(
    sets: Mapping[str, SetScores],
    forget: Sequence[float],
    retain: Sequence[float] | None,
    *,
    recorded: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
) -> Utility:
    """Both numbers (Maini et al. 2024, arXiv 2401.06121) from the sets and the truth ratios of the forget set.

    `forget` and `retain`: the truth ratios that the two models have there, or the logarithms of both.

    `recorded` are numbers that the log gives by the names `<set>.<part>`, `model_utility` and `forget_quality`.
    """
    parts = {f"{name}.{part}": getattr(sets.get(name), part, None) for name in KEPT_SETS for part in PARTS}
    missing = tuple(name for name, value in parts.items() if value is None)
    whole = None if missing else model_utility([value for value in parts.values() if value is not None])
    ks = ks_two_sample(forget, retain) if forget and retain else None
    ours = {f"{name}.{part}": getattr(scores, part) for name, scores in sets.items() for part in PARTS}
    two = {"model_utility": whole, "forget_quality": ks.p if ks else None}
    differing = [
        Disagreement(name, value, mine)
        for name, value in sorted((recorded or {}).items())
        if (mine := (ours | two).get(name)) is not None and not _same(name, value, mine)
    ]
    logged = {name: recorded[name] for name, value in two.items() if value is None and recorded and name in recorded}
    two |= logged
    return Utility(
        sets=dict(sets),
        model_utility=two["model_utility"],
        missing=missing,
        forget_quality=two["forget_quality"],
        forget_ks=ks.d if ks else None,
        as_logged=tuple(logged),
        disagreements=tuple(differing),
        notes=tuple(notes),
    )


def _same(name: str, recorded: float, ours: float) -> bool:
    # A p value may be 1e-20: there only the ratio says anything.
    return math.isclose(recorded, ours, rel_tol=CLOSE, abs_tol=0.0 if name == "forget_quality" else CLOSE)


def mean_truth_ratio(ratios: Sequence[float], *, forget: bool) -> float | None:
    """Mean of min(r, 1/r) on the forget set, of max(0, 1 − r) elsewhere."""
    return mean([(truth_ratio_forget if forget else truth_ratio_retain)(ratio) for ratio in ratios])
