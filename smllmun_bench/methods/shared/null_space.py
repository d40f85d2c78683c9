"""A relaxed null space: changes of a weight are damped along the inputs that must keep their outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from smllmun_bench.methods.shared.embedding_noise import frozen, score
from smllmun_bench.methods.shared.token_masks import real
from smllmun_bench.models.hooks import current_batch, reading_layers

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.examples import Example

ROUNDING = 1e-6  # eigenvalues below this share of the largest are zero up to float32


@dataclass(frozen=True, slots=True)
class Projection:
    """P = 1 - V·diag(1 - p)·Vᵀ, on the input side of a weight (out, in): ΔW becomes ΔW·P.

    `vectors` V is (in, r) with orthonormal columns; `removed` 1 - p is (r); other directions pass whole.
    """

    vectors: Tensor
    removed: Tensor

    def __call__(self, change: Tensor) -> Tensor:
        vectors = self.vectors.to(change.device, change.dtype)
        removed = self.removed.to(change.device, change.dtype)
        return change - (change @ vectors * removed) @ vectors.T

    @property
    def free(self) -> float:
        """Σp_i/d: the share of directions that is left, 1 without any projection."""
        return 1 - float(self.removed.sum()) / self.vectors.shape[0]


def relaxed(covariance: Tensor, tau: float, mode: Literal["soft", "hard"], rank: int | None = None) -> Projection:
    """The projection for inputs of this covariance (in, in), at most `rank` directions of it.

    p_i = 1 where an eigenvalue is at most τ times the largest; above, τ·s_max/s_i (soft) or 0 (hard). τ = 0 is the null
    space, τ ≥ 1 projects nothing. Hard projections are idempotent.
    """
    values, vectors = torch.linalg.eigh(covariance.double())
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    limit = max(tau, ROUNDING) * values[0]
    above = values > limit
    passed = torch.where(above, limit / values.clamp(min=1e-300) if mode == "soft" else 0.0, 1.0)
    kept = int(above.sum()) if rank is None else min(rank, int(above.sum()))
    return Projection(vectors[:, :kept].float().contiguous(), (1 - passed)[:kept].float())


def covariances(vlm: "Vlm", layers: Sequence[str], examples: Sequence["Example"], *, batch: int) -> dict[str, Tensor]:
    """mean k·kᵀ of the inputs k of these linear layers over all tokens but padding, (in, in), float32."""
    totals: dict[str, Tensor] = {}
    counts = dict.fromkeys(layers, 0)

    def take(name: str, inputs: Tensor) -> None:
        k = inputs[real(current_batch(vlm)).to(inputs.device)].float()
        totals[name] = totals[name] + k.T @ k if name in totals else k.T @ k
        counts[name] += len(k)

    with frozen(vlm), reading_layers(vlm, layers, take, side="input"):
        for at in range(0, len(examples), batch):
            score(vlm, examples[at : at + batch])
    return {name: total / counts[name] for name, total in totals.items()}
