"""How deep forgetting goes: at which layers what a model knows could still be taken from it."""

from collections.abc import Sequence


def unlearning_depth(
    from_gold: Sequence[float], from_unlearned: Sequence[float], *, threshold: float = 0.05
) -> float | None:
    """UDS of one item: Σ Δ1·clip(Δ2/Δ1, 0, 1) / Σ Δ1 over the layers with Δ1 > `threshold` (arXiv 2605.24614).

    By layer, how much the mean log-probability of the answer falls in the target when the states at that layer come
    from gold (Δ1) or from the unlearned model (Δ2), in nats. 1: as deep as gold, 0: all is still there. None: gold
    lacks nothing at any layer, so the item shows nothing. Raises ValueError for unequal lengths.

    >>> unlearning_depth([0.01, 1.0, 3.0], [0.5, 0.0, 1.5])
    0.375
    >>> unlearning_depth([1.0, 2.0], [1.5, -0.2]), unlearning_depth([0.05], [1.0])
    (0.3333333333333333, None)
    """
    pairs = [(gold, ours) for gold, ours in zip(from_gold, from_unlearned, strict=True) if gold > threshold]
    if not pairs:
        return None
    return sum(gold * min(1.0, max(0.0, ours / gold)) for gold, ours in pairs) / sum(gold for gold, _ in pairs)
