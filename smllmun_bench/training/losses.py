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


def dpo(preferred: Tensor, preferred_before: Tensor, other: Tensor, other_before: Tensor, *, beta: float) -> Tensor:
    """-(2/β) · mean log σ(β·[Δ(preferred) - Δ(other)]), Δ = log π_θ - log π_θ0 of whole answers to one question.

    Equals (2/β)·ln 2 where θ = θ0. Rafailov et al. 2023, arXiv 2305.18290; the factor 2/β as in NPO, of which this is
    the two-sided form.
    """
    return (2 / beta) * softplus(-beta * ((preferred - preferred_before) - (other - other_before))).mean()


def simnpo(mean_logp: Tensor, *, beta: float, margin: float) -> Tensor:
    """-(2/β) · mean log σ(β·(nll - margin)) with nll = -`mean_logp` (items), the mean over an answer's tokens.

    No reference: equals (2/β)·ln(1 + e^(-β·nll)) at margin 0, so answers that are unlikely already are left alone.
    Fan et al. 2024, arXiv 2410.07163.
    """
    return (2 / beta) * softplus(beta * (mean_logp + margin)).mean()


def soft_cross_entropy(log_probs: Tensor, goal: Tensor) -> Tensor:
    """-Σ_v q(v)·log p_θ(v), mean over answer positions. Both (tokens, vocabulary); `goal` holds probabilities q.

    UNDIAL's loss (Dong et al. 2024, arXiv 2402.10052), whose q is that of θ0 with β taken off the true token's logit.
    """
    return -(goal * log_probs).sum(-1).mean()


def state_distance(states: Tensor, goal: Tensor, owner: Tensor, count: int) -> Tensor:
    """‖h - goal‖² as a mean over the width, then over each item's tokens, then over the `count` items.

    `states` is (tokens, width), `goal` the same or (width), `owner` (tokens) the item of each. Both terms of RMU, Li et
    al. 2024, arXiv 2403.03218.
    """
    squared = (states - goal).square().mean(-1)
    lengths = owner.bincount(minlength=count).to(squared.dtype)
    return (squared.new_zeros(count).index_add(0, owner, squared) / lengths).mean()


def dual_masked_kl(log_probs: Tensor, reference: Tensor, positions: Tensor, vocabulary: Tensor) -> Tensor:
    """Σ_v K_V(v)·p_θ0(v)·log(p_θ0(v)/p_θ(v)), times K_S of the position, mean over all positions.

    The second term of SIU, Li et al. 2024, arXiv 2405.12523; the mean over positions is ours.
    `positions` (tokens) and `vocabulary` (tokens, vocabulary) are True where they count. Zero where θ = θ0; where K_V
    leaves words out it is no divergence any more: it can be negative, and its gradient at θ0 lowers those words.
    """
    terms = reference.exp() * (reference - log_probs)
    return (terms.masked_fill(~vocabulary, 0).sum(-1) * positions).mean()


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


def deviation(cosine: Tensor, *, beta: float) -> Tensor:
    """(1/β) · mean log(1 + e^(β·cos)) over tokens: turns representations away from where they were.

    A small β pushes on towards cos = -1, a large one stops near orthogonality. log(1 + e^β)/β at θ0, where every cosine
    is 1 and the gradient through it is zero. A reconstruction of KUDA, arXiv 2602.19275.
    """
    return softplus(beta * cosine).mean() / beta
