"""Scalars that papers build from columns. For our own aggregate see `aggregate.py`."""

import math
from collections.abc import Iterable, Sequence


def overall_understanding(forget: float, retain: float) -> float:
    """S-MLLMUn Bench: mean of understanding on forget and on retain images; the scale of its parts, up is better.

    Inferred from the paper's table (7.02 and 7.33 -> printed 7.17), not quoted from its text.

    >>> overall_understanding(7.02, 7.33)
    7.175
    """
    return (forget + retain) / 2


def overall_memory(gaps: Iterable[tuple[float, float]]) -> float:
    """S-MLLMUn Bench: mean over modalities of (retain − forget); pairs are (forget, retain) of image and text memory.

    0 for an untouched model and for a collapsed one alike. Inferred, consistent with the paper but not verified.
    Raises ValueError without a modality.

    >>> round(overall_memory([(4.73, 6.56), (2.0, 4.77)]), 2)
    2.3
    """
    differences = [retain - forget for forget, retain in gaps]
    if not differences:
        raise ValueError("no modality to compare")
    return math.fsum(differences) / len(differences)


def overall_meaningful(scores: Sequence[float]) -> float:
    """S-MLLMUn Bench: mean Meaningful Score (which splits enter is not stated). Raises ValueError if empty.

    >>> overall_meaningful([1.0, 0.5])
    0.75
    """
    if not scores:
        raise ValueError("no meaningful scores")
    return math.fsum(scores) / len(scores)


def harmonic_mean(parts: Sequence[float]) -> float:
    """n / Σ 1/x: near the weakest part; 0 if any part is 0. Raises ValueError if empty or a part is negative.

    >>> round(harmonic_mean([0.5, 1.0]), 3), harmonic_mean([0.0, 1.0])
    (0.667, 0.0)
    """
    if not parts or min(parts) < 0:
        raise ValueError("a harmonic mean needs parts, none of them negative")
    if min(parts) == 0:
        return 0.0
    # Scaled by the smallest part: 1/x of a denormal number would overflow.
    least = min(parts)
    return least * len(parts) / math.fsum(least / part for part in parts)


def model_utility(parts: Sequence[float]) -> float:
    """TOFU's utility: the harmonic mean of probability, ROUGE-L recall and truth ratio over the non-forget sets.

    >>> model_utility([1.0] * 9)
    1.0
    """
    return harmonic_mean(parts)
