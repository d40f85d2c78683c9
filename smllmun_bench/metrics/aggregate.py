"""One scalar for sorting, held against a gold model. Show the vector; this is not a result by itself.

Axioms (tested): gold gets 1; the untouched target 0; going below gold does not gain; more kept ability never loses;
a model that breaks cannot beat one that does not, all else equal; what is closed in one modality and open in the other
(a filter on names, a model that does not look) gets 0.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Values = float | np.ndarray  # one number, or one for each draw of a bootstrap


class Keep(NamedTuple):
    """One ability that must stay (or one memory): its score for the unlearned model, the target and the gold model."""

    unlearned: Values
    target: Values
    gold: Values


def closeness(unlearned: float, target: float, gold: float, *, noise: float = 0.0) -> float | None:
    """1 − clip(|m_u − m_g| / |m_t − m_g|), in [0, 1]: 1 at gold, 0 at the untouched target, overshoot penalised.

    None, undefined, when |m_t − m_g| is not above `noise`: there was nothing to forget.

    >>> round(closeness(0.35, 0.8, 0.2), 9), closeness(0.05, 0.8, 0.2) < 1, closeness(0.2, 0.2, 0.2)
    (0.75, True, None)
    """
    return _defined(_closeness(Keep(unlearned, target, gold), noise))


def kept(part: Keep, *, margin: float = 0.0) -> np.ndarray:
    """clip(u / (min(target, gold) − margin)), in [0, 1]. NaN where the references lack the ability themselves.

    `margin` is a noise allowance that must be stated in advance.

    >>> [round(float(kept(Keep(*part))), 3) for part in ((0.72, 0.8, 0.9), (0.95, 0.8, 0.9), (0.1, 0.0, 0.9))]
    [0.9, 1.0, nan]
    """
    reference = np.minimum(part.target, part.gold) - margin
    return np.where(reference > 0, np.clip(_divided(part.unlearned, reference), 0.0, 1.0), np.nan)


def sanity(broken_unlearned: Values, broken_gold: Values) -> np.ndarray:
    """1 − max(0, broken_u − broken_g): the share of answers that unlearning did not break.

    >>> round(float(sanity(0.08, 0.03)), 2), float(sanity(0.0, 0.03))
    (0.95, 1.0)
    """
    lost: np.ndarray = np.maximum(0.0, np.subtract(broken_unlearned, broken_gold))
    return 1 - lost


def combine(forget: Values, keeps: Sequence[Values], sane: Values) -> np.ndarray:
    """harmonic mean(forget, keeps…) × sane, all in [0, 1]; NaN parts are left out.

    >>> [round(float(combine(0.75, [0.9, 0.8, 1.0], sane)), 3) for sane in (1.0, 0.95)]
    [0.852, 0.809]
    """
    return _harmonic([forget, *keeps]) * sane


def overall(
    memory: Sequence[Keep],
    keeps: Sequence[Keep],
    *,
    broken_unlearned: float,
    broken_gold: float,
    noise: float = 0.0,
    margin: float = 0.0,
) -> float | None:
    """harmonic mean(forgetting, keeps…) × sanity, where forgetting is the harmonic mean of closeness over the memories.

    Harmonic, since a fact that is still told in one way is not forgotten: with a plain mean a filter on names,
    which answers everything that is asked with a picture, had half of the forgetting and .8 of the whole.

    A memory score whose gap is within `noise`, and an ability that the references lack, are left out: they cannot
    be measured. None if that leaves no memory score or no ability.

    >>> round(overall([Keep(.35, .8, .2)], [Keep(.9, 1, 1), Keep(.8, 1, 1), Keep(1, 1, 1)],
    ...               broken_unlearned=.05, broken_gold=0), 3)
    0.809
    """
    broken = {"broken_unlearned": broken_unlearned, "broken_gold": broken_gold}
    return _defined(overall_values(memory, keeps, **broken, noise=noise, margin=margin))


def overall_values(
    memory: Sequence[Keep],
    keeps: Sequence[Keep],
    *,
    broken_unlearned: Values,
    broken_gold: Values,
    noise: float = 0.0,
    margin: float = 0.0,
) -> np.ndarray:
    """`overall` of each draw, NaN where it is undefined."""
    near, able = [_closeness(part, noise) for part in memory], [kept(part, margin=margin) for part in keeps]
    if not near or not able:
        return np.array(np.nan)
    forgotten, abilities = _harmonic(near), np.stack(np.broadcast_arrays(*able))
    whole = combine(forgotten, list(abilities), sanity(broken_unlearned, broken_gold))
    return np.where(np.isnan(forgotten) | np.isnan(abilities).all(axis=0), np.nan, whole)


def _closeness(part: Keep, noise: float) -> np.ndarray:
    gap = np.abs(np.subtract(part.target, part.gold))
    far = np.abs(np.subtract(part.unlearned, part.gold))
    return np.where(gap > noise, 1 - np.minimum(1.0, _divided(far, gap)), np.nan)


def _harmonic(parts: Sequence[Values]) -> np.ndarray:
    """Harmonic mean of the parts that are defined, each at least 0; NaN where none is."""
    stacked = np.stack(np.broadcast_arrays(*parts))
    least = np.fmin.reduce(stacked)
    # Scaled by the smallest part: 1/x of a denormal number would overflow.
    inverse = np.nansum(_divided(least, stacked), axis=0)
    mean = _divided(least * (~np.isnan(stacked)).sum(axis=0), inverse)
    return np.where(least == 0, 0.0, mean)


def _divided(values: Values, by: Values) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # what is undefined is left out by the caller
        quotient: np.ndarray = np.divide(values, by)
    return quotient


def _defined(value: np.ndarray) -> float | None:
    return None if math.isnan(value) else float(value)
