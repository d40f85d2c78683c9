"""One scalar for sorting, held against a gold model. Show the vector; this is not a result by itself.

Axioms (tested): gold gets 1; the untouched target 0; going below gold does not gain; more kept ability never loses;
a model that breaks cannot beat one that does not, all else equal; what is closed in one modality and open in the other
(a filter on names, a model that does not look) gets 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

from smllmun_bench.metrics.composites import harmonic_mean


class Keep(NamedTuple):
    """One ability that must stay: its score for the unlearned model, the target and the gold model."""

    unlearned: float
    target: float
    gold: float


def closeness(unlearned: float, target: float, gold: float, *, noise: float = 0.0) -> float | None:
    """1 − clip(|m_u − m_g| / |m_t − m_g|), in [0, 1]: 1 at gold, 0 at the untouched target, overshoot penalised.

    None, undefined, when |m_t − m_g| is not above `noise`: there was nothing to forget.

    >>> round(closeness(0.35, 0.8, 0.2), 9), closeness(0.05, 0.8, 0.2) < 1, closeness(0.2, 0.2, 0.2)
    (0.75, True, None)
    """
    gap = abs(target - gold)
    if gap <= noise:
        return None
    return 1 - min(1.0, abs(unlearned - gold) / gap)


def kept(part: Keep, *, margin: float = 0.0) -> float | None:
    """clip(u / (min(target, gold) − margin)), in [0, 1]. None where the references lack the ability themselves.

    `margin` is a noise allowance that must be stated in advance.

    >>> kept(Keep(0.72, 0.8, 0.9)), kept(Keep(0.95, 0.8, 0.9)), kept(Keep(0.1, 0.0, 0.9))
    (0.8999999999999999, 1.0, None)
    """
    reference = min(part.target, part.gold) - margin
    return max(0.0, min(1.0, part.unlearned / reference)) if reference > 0 else None


def sanity(broken_unlearned: float, broken_gold: float) -> float:
    """1 − max(0, broken_u − broken_g): the share of answers that unlearning did not break.

    >>> round(sanity(0.08, 0.03), 2), sanity(0.0, 0.03)
    (0.95, 1.0)
    """
    return 1 - max(0.0, broken_unlearned - broken_gold)


def combine(forget: float, keeps: Sequence[float], sane: float) -> float:
    """harmonic mean(forget, keeps…) × sane, all in [0, 1].

    >>> round(combine(0.75, [0.9, 0.8, 1.0], 1.0), 3), round(combine(0.75, [0.9, 0.8, 1.0], 0.95), 3)
    (0.852, 0.809)
    """
    return harmonic_mean([forget, *keeps]) * sane


def overall(
    memory: Sequence[Keep],
    keeps: Sequence[Keep],
    *,
    broken_unlearned: float,
    broken_gold: float,
    noise: float = 0.0,
    margin: float = 0.0,
) -> float | None:
    """The whole of it; forgetting is the harmonic mean of closeness over the memory scores.

    Harmonic, since a fact that is still told in one way is not forgotten: with a plain mean a filter on names,
    which answers everything that is asked with a picture, had half of the forgetting and .8 of the whole.

    A memory score whose gap is within `noise`, and an ability that the references lack, are left out: they cannot
    be measured. None if that leaves no memory score or no ability.

    >>> round(overall([Keep(.35, .8, .2)], [Keep(.9, 1, 1), Keep(.8, 1, 1), Keep(1, 1, 1)],
    ...               broken_unlearned=.05, broken_gold=0), 3)
    0.809
    """
    near = [closeness(*part, noise=noise) for part in memory]
    close = [value for value in near if value is not None]
    able = [value for value in (kept(part, margin=margin) for part in keeps) if value is not None]
    if not close or not able:
        return None
    return combine(harmonic_mean(close), able, sanity(broken_unlearned, broken_gold))
