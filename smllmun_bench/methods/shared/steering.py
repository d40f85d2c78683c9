"""MLLMEraser: gate and direction by its algebra in float64, and the steering of hidden states by them.

The published matrix W_l = P Δ with P = Q Qᵀ and

    Δ = (P H_fᵀ H_f P + γ P)⁺ P H_fᵀ 1 d_l

has rank one, since each row of the regression's target is the same d_l. It is W_l = u_l d_l with

    u_l = Q (Qᵀ H_fᵀ H_f Q + γ I)⁻¹ Qᵀ H_fᵀ 1

so 2 numbers per channel are kept in place of a matrix, and h W_l = (h · u_l) d_l: a gate times a direction.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smllmun_bench.methods.shared.prompt_states import last
from smllmun_bench.models.change import Settings
from smllmun_bench.models.hooks import BatchLayout, Change, at_prefill, one_row_per_question
from smllmun_bench.models.parts import decoder_layers

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm


ROUNDING = 1e-12  # energies below this share of the largest are zero up to float32, in which states are computed
_EQUAL = 1e-6  # energies that differ by less, as a share, are the same


def null_basis(retain: Tensor, share: float) -> Tensor:
    """Q: orthonormal directions, (width, at least int(share · width)), in which the rows of `retain` (N, width) have
    least energy.

    Q Qᵀ projects onto them. There are more where more have as little energy as the last of them: where `retain` leaves
    more directions free than were asked for, all that it leaves free. Any choice among these would be that of the
    eigensolver, another one on another machine.
    """
    values, vectors = torch.linalg.eigh(retain.T @ retain)  # in ascending order
    last = values[int(share * retain.shape[1]) - 1]
    limit = torch.maximum(last * (1 + _EQUAL), ROUNDING * values[-1])
    basis: Tensor = vectors[:, : int((values <= limit).sum())]
    return basis


def gate_vector(forget: Tensor, basis: Tensor, ridge: float) -> Tensor:
    """u (width): h · u is about 1 on the rows of `forget` (N, width) as far as Q holds them, and 0 outside Q."""
    inside = forget @ basis
    gram = inside.T @ inside + ridge * torch.eye(basis.shape[1], dtype=forget.dtype)
    vector: Tensor = basis @ torch.linalg.solve(gram, inside.sum(0))
    return vector


def steered(layout: BatchLayout, hidden: Tensor, gate: Tensor, direction: Tensor, strength: float) -> Tensor:
    """h_t + λ (h_last · u) d on every token t of a prompt; padding and answers stay as they are."""
    open_by = last(layout, hidden).float() @ gate
    push = (strength * open_by)[:, None, None] * direction
    return torch.where(layout.prompt().to(hidden.device)[..., None], hidden + push.to(hidden.dtype), hidden)


@contextmanager
def steering(vlm: "Vlm", tensors: Mapping[str, Tensor], settings: Settings) -> "Iterator[Vlm]":
    """Tensors `gate` and `direction` are (layers, width); settings `layers`, `strength`, and `at`: input or output."""
    blocks = decoder_layers(vlm, "mllmeraser")
    strength, after = float(settings["strength"]), settings["at"] == "output"
    with ExitStack() as stack:
        if strength:  # λ = 0 is the model itself, to the bit
            stack.enter_context(one_row_per_question(vlm))
            for row, layer in enumerate(settings["layers"]):
                change = _at(tensors["gate"][row], tensors["direction"][row], strength)
                stack.enter_context(at_prefill(vlm, blocks[layer], change, after=after))
        yield vlm


def _at(gate: Tensor, direction: Tensor, strength: float) -> Change:
    def change(layout: BatchLayout, hidden: Tensor) -> Tensor:
        return steered(layout, hidden, gate.to(hidden.device), direction.to(hidden.device), strength)

    return change
