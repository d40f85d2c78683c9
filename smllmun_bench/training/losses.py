"""The losses of the field, each written once. Log-probabilities in, one number out; they know no model.

Shapes: `logp` is (items,), the log-probability of a whole answer in nats, summed over its tokens with EOS;
`token_logp` is (tokens,), one number per answer token of all items together.
"""

from torch import Tensor
from torch.nn.functional import kl_div, softplus


def cross_entropy(token_logp: Tensor) -> Tensor:
    """Mean over all answer tokens of -log p: long answers weigh more, as in `outputs.loss` of transformers."""
    return -token_logp.mean()


def gradient_ascent(token_logp: Tensor) -> Tensor:
    """+ mean log p: its minimum is at minus infinity, so it needs a budget. GA in TOFU (Maini et al. 2024)."""
    return token_logp.mean()


def npo(logp: Tensor, before: Tensor, *, beta: float) -> Tensor:
    """(2/β) · mean log(1 + (π_θ/π_θ0)^β): gradient ascent that fades as an item is forgotten.

    Equals (2/β)·ln 2 where θ = θ0. Zhang et al. 2024, arXiv 2404.05868.
    """
    return (2 / beta) * softplus(beta * (logp - before)).mean()


def kl_to_reference(log_probs: Tensor, reference: Tensor) -> Tensor:
    """KL(p_θ0 ‖ p_θ), mean over answer positions. Both are (tokens, vocabulary) log-probabilities."""
    return kl_div(log_probs, reference, log_target=True, reduction="batchmean")


def divergence(log_probs: Tensor, reference: Tensor, *, cap: float) -> Tensor:
    """-min(KL(p_θ0 ‖ p_θ), cap): pushes away from θ0, no further than `cap` nats per token. SKU's third term.

    Without the cap it is unbounded below. Liu et al. 2024, arXiv 2402.10058; the cap is ours.
    """
    return -kl_to_reference(log_probs, reference).clamp(max=cap)


def permu_target(clean: Tensor, noisy: Tensor, *, subtraction: float, keep: Tensor | None = None) -> Tensor:
    """z* = z_noisy - C·z_clean, logits (tokens, vocabulary); the clean ones where `keep` (tokens) is True.

    Wang et al. 2025, arXiv 2502.19982. Without noise this is softmax at temperature 1/(1 - C).
    """
    target = noisy - subtraction * clean
    return target if keep is None else target.where(~keep[:, None], clean)
