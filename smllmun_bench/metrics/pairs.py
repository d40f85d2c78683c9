"""UMU-Bench: one fact asked in text and with an image; are both modalities forgotten, are both kept?"""

from collections.abc import Sequence


def acc_f(pairs: Sequence[tuple[bool, bool]]) -> float:
    """Share of facts that are wrong in both modalities; in [0, 1], up on forgotten facts. Raises ValueError if empty.

    >>> acc_f([(False, False), (True, False), (True, True), (False, False)])
    0.5
    """
    return sum(not a and not b for a, b in _some(pairs)) / len(pairs)


def acc_r(pairs: Sequence[tuple[bool, bool]]) -> float:
    """Share of facts that are right in both modalities; in [0, 1], up on retained facts. Raises ValueError if empty.

    >>> acc_r([(False, False), (True, False), (True, True), (False, False)])
    0.25
    """
    return sum(a and b for a, b in _some(pairs)) / len(pairs)


def rl_f(text: float, image: float) -> float:
    """(a² + b²)/(a + b) of one fact's two ROUGE-L F1: high if either modality remembers; 0 when both are 0.

    >>> rl_f(1, 0), rl_f(0.5, 0.5), rl_f(0, 0)
    (1.0, 0.5, 0.0)
    """
    return (text**2 + image**2) / (text + image) if text + image else 0.0


def rl_r(text: float, image: float) -> float:
    """2ab/(a + b), the harmonic mean of one fact's two ROUGE-L F1: high only if both remember; 0 when both are 0.

    >>> rl_r(1, 0), rl_r(0.5, 0.5), rl_r(0, 0)
    (0.0, 0.5, 0.0)
    """
    return 2 * text * image / (text + image) if text + image else 0.0


def _some(pairs: Sequence[tuple[bool, bool]]) -> Sequence[tuple[bool, bool]]:
    if not pairs:
        raise ValueError("no pairs")
    return pairs
