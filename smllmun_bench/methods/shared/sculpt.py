"""Sculpting one update by another: the mask of SMFA and its controls. Pure functions on single matrices.

ΔW_f is the forgetting update (MFA), ΔW_a the retaining anchor (RA), both dense and float32. SMFA zeroes the entries
of ΔW_f that pull against the anchor and dominate it (arXiv 2511.20196; the equations are corroborated by two
independent readings, the paper's own method section was not available):

    ρ = ‖ΔW_f‖_F / (‖ΔW_a‖_F + ε)      C = 1[ΔW_a · ΔW_f < 0]      R = 1[k · ρ · |ΔW_a| < |ΔW_f|]
    M = C ⊙ R                           ΔW'_f = ΔW_f ⊙ (1 − M)

A larger k masks fewer entries, so it forgets more; k = 0 masks every conflict; k → ∞ masks nothing.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from smllmun_bench.methods.shared.mask_names import Mask

EPSILON = 1e-12  # on the anchor's norm; the paper's value is unknown


def scale_match(forget: Tensor, anchor: Tensor) -> Tensor:
    """ρ = ‖ΔW_f‖_F / (‖ΔW_a‖_F + ε)."""
    rho: Tensor = torch.linalg.vector_norm(forget) / (torch.linalg.vector_norm(anchor) + EPSILON)
    return rho


def conflict(forget: Tensor, anchor: Tensor) -> Tensor:
    """C: True where the two updates have opposite signs. Zeros never conflict."""
    return forget.sign() * anchor.sign() < 0


def dominance(forget: Tensor, anchor: Tensor, k: float) -> Tensor:
    """R: True where k·ρ·|ΔW_a| < |ΔW_f|."""
    return k * scale_match(forget, anchor) * anchor.abs() < forget.abs()


def smfa_mask(forget: Tensor, anchor: Tensor, k: float) -> Tensor:
    """M = C ⊙ R: True where the forgetting update is zeroed."""
    return conflict(forget, anchor) & dominance(forget, anchor, k)


def reversed_mask(forget: Tensor, anchor: Tensor, k: float) -> Tensor:
    """The other reading of R: zero conflicts that the anchor dominates. Larger k masks more."""
    return conflict(forget, anchor) & (k * scale_match(forget, anchor) * anchor.abs() > forget.abs())


def removed_energy(forget: Tensor, mask: Tensor) -> float:
    """Share of ‖ΔW_f‖² under the mask, in [0, 1]."""
    total = forget.double().square().sum()
    return float((forget.double()[mask].square().sum() / total).item()) if total > 0 else 0.0


def project(forget: Tensor, anchor: Tensor) -> Tensor:
    """ΔW_f without its component opposed to ΔW_a; unchanged where ⟨ΔW_f, ΔW_a⟩ ≥ 0."""
    inner = (forget * anchor).sum()
    return forget - inner / anchor.square().sum() * anchor if inner < 0 else forget.clone()


def ties(first: Tensor, second: Tensor, *, top: float) -> Tensor:
    """TIES-merging of two updates: keep each one's `top` share, elect a sign per entry, average those that agree.

    Yadav et al. 2023, arXiv 2306.01708. The elected sign is that of the sum of what was kept.
    """
    kept = torch.stack([_top_share(first, top), _top_share(second, top)])
    elected = kept.sum(0).sign()
    agree = (kept.sign() == elected) & (kept != 0)
    return (kept * agree).sum(0) / agree.sum(0).clamp(min=1)


def _top_share(update: Tensor, share: float) -> Tensor:
    count = max(1, round(share * update.numel()))
    order = update.abs().flatten().argsort(descending=True, stable=True)[:count]
    kept = torch.zeros_like(update).flatten()
    kept[order] = update.flatten()[order]
    return kept.view_as(update)


def random_mask(shape: torch.Size, share: float, generator: torch.Generator) -> Tensor:
    """True with probability `share`, entry by entry."""
    return torch.rand(shape, generator=generator) < share


@dataclass(frozen=True, slots=True)
class MaskSpec:
    """Which of the masks, and its strength."""

    mask: Mask = "smfa"
    k: float = 5.0  # smfa, magnitude, reversed; random and random_energy match the SMFA mask of this k
    strength: float = 1.0  # λ: the sculpted update is multiplied by it (`scale` uses nothing else)
    share: float = 0.5  # dare: dropped share; ties: kept share
    anchor_weight: float = 1.0  # task_arithmetic: α


def sculpt(forget: Tensor, anchor: Tensor, spec: MaskSpec, generator: torch.Generator) -> Tensor:
    """The update that is added to the weights, float32, in the shape of `forget`."""
    shaped = _shaped(forget, anchor, spec, generator)
    return shaped if spec.strength == 1.0 else spec.strength * shaped


def _shaped(forget: Tensor, anchor: Tensor, spec: MaskSpec, generator: torch.Generator) -> Tensor:
    masks = {
        "smfa": lambda: smfa_mask(forget, anchor, spec.k),
        "conflict": lambda: conflict(forget, anchor),
        "magnitude": lambda: dominance(forget, anchor, spec.k),
        "reversed": lambda: reversed_mask(forget, anchor, spec.k),
        "random": lambda: random_mask(forget.shape, smfa_mask(forget, anchor, spec.k).float().mean().item(), generator),
        "random_energy": lambda: random_mask(
            forget.shape, removed_energy(forget, smfa_mask(forget, anchor, spec.k)), generator
        ),
    }
    if spec.mask in masks:
        return forget.masked_fill(masks[spec.mask](), 0.0)
    others = {
        "none": lambda: forget.clone(),
        "scale": lambda: forget.clone(),
        "dare": lambda: forget.masked_fill(random_mask(forget.shape, spec.share, generator), 0.0) / (1 - spec.share),
        "ties": lambda: ties(forget, anchor, top=spec.share),
        "task_arithmetic": lambda: forget + spec.anchor_weight * anchor,
        "project": lambda: project(forget, anchor),
    }
    return others[spec.mask]()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Does the anchor say anything? Over all entries of all matrices, beside the values of the null model.

    The null model takes the two updates for independent Gaussians. A conflict rate near one half and a masked share
    near `null_masked` mean that the mask is random.
    """

    correlation: float
    conflict_rate: float
    masked: float
    energy: float
    null_masked: float
    null_energy: float
    survivors: float = 1.0  # share of changed entries that still differ from W after the cast


def null_masked(k: float) -> float:
    """Share of entries that SMFA masks if the updates are independent Gaussians: (1/π)·arctan(1/k)."""
    return math.atan2(1.0, k) / math.pi


def null_energy(k: float) -> float:
    """Share of energy that SMFA removes then: (1/π)·(arctan(1/k) + k/(1 + k²))."""
    return (math.atan2(1.0, k) + k / (1 + k * k)) / math.pi


def diagnose(pairs: list[tuple[Tensor, Tensor]], k: float) -> Diagnosis:
    """Figures over pairs of (ΔW_f, ΔW_a)."""
    count = sum(forget.numel() for forget, _ in pairs)
    dot = sum((forget.double() * anchor.double()).sum().item() for forget, anchor in pairs)
    norms = [sum(pair[side].double().square().sum().item() for pair in pairs) for side in (0, 1)]
    conflicts = sum(conflict(forget, anchor).sum().item() for forget, anchor in pairs)
    masks = [smfa_mask(forget, anchor, k) for forget, anchor in pairs]
    removed = sum(f.double()[m].square().sum().item() for (f, _), m in zip(pairs, masks, strict=True))
    return Diagnosis(
        correlation=dot / math.sqrt(norms[0] * norms[1]) if norms[0] and norms[1] else 0.0,
        conflict_rate=conflicts / count,
        masked=sum(mask.sum().item() for mask in masks) / count,
        energy=removed / norms[0] if norms[0] else 0.0,
        null_masked=null_masked(k),
        null_energy=null_energy(k),
    )
