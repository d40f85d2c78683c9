"""A pass through the model with noise on some tokens, at the input of a decoder block. PerMU, arXiv 2502.19982."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smllmun_bench.methods.shared.token_masks import pictures, words
from smllmun_bench.models.hooks import current_batch, editing
from smllmun_bench.models.packing import Packed
from smllmun_bench.models.parts import decoder_layers

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import AnswerScores, Vlm
    from smllmun_bench.training.examples import Example


def score(vlm: "Vlm", examples: Sequence["Example"]) -> "AnswerScores":
    return vlm.score_pairs([example.pair for example in examples])


def by_item(scores: "AnswerScores", values: Tensor) -> Tensor:
    """`values`, one per answer token, in the order of the items: two batches may pack the same items differently."""
    return values[scores.owner.argsort(stable=True)]


@contextmanager
def frozen(vlm: "Vlm") -> Iterator[None]:
    """No gradients and no dropout inside the block."""
    training = vlm.model.training
    vlm.model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        vlm.model.train(training)


@contextmanager
def at_block(vlm: "Vlm", index: int, method: str, change: Callable[[Packed, Tensor], Tensor]) -> Iterator[None]:
    """The hidden states (rows, length, width) that enter block `index` go through `change` first."""
    layers = decoder_layers(vlm, method)
    block = layers[min(index, len(layers) - 1)]
    with editing(vlm, block, lambda hidden: change(current_batch(vlm), hidden), side="input"):
        yield


class Noise:
    """Gaussian noise at marked tokens, always the same at one position until `redraw`.

    `size` is its standard deviation: in those of the hidden states of the token's modality, or absolute.
    """

    def __init__(self, vlm: "Vlm", size: float, *, relative: bool, seed: int) -> None:
        self._vlm, self._size, self._relative = vlm, size, relative
        self._generator = torch.Generator().manual_seed(seed)
        self._table = torch.empty(0, 0)
        self.marked = 0  # tokens in the last pass

    def redraw(self) -> None:
        self._table = torch.empty(0, 0)

    def add(self, packed: Packed, hidden: Tensor, where: Tensor) -> Tensor:
        longest = int(packed.positions.max()) + 1
        if self._table.shape[0] < longest or self._table.shape[1] != hidden.shape[-1]:
            self._table = torch.randn((max(1024, longest), hidden.shape[-1]), generator=self._generator)
        where = where.to(hidden.device)
        noise = self._table[packed.positions].to(hidden.device, hidden.dtype) * self._size
        if self._relative:
            scale = torch.ones(hidden.shape[:2], device=hidden.device, dtype=hidden.dtype)
            for part in (pictures(packed, self._vlm.image_token), words(packed, self._vlm.image_token)):
                if part.any():
                    inside = part.to(hidden.device)
                    scale[inside] = hidden[inside].detach().std()
            noise = noise * scale[..., None]
        self.marked = int(where.sum())
        return hidden + noise * where[..., None]


def sensitivity(vlm: "Vlm", index: int, method: str, examples: Sequence["Example"]) -> list[Tensor]:
    """‖∂ log π(answers) / ∂h_i‖ at the input of block `index`, (rows, length), for each pass over the batch."""
    kept: list[Tensor] = []

    def listen(packed: Packed, hidden: Tensor) -> Tensor:
        kept.append(hidden.detach().requires_grad_())
        return kept[-1]

    training = vlm.model.training
    vlm.model.eval()
    try:
        with torch.enable_grad(), at_block(vlm, index, method, listen):
            total = score(vlm, examples).logp.sum()
        return [gradient.norm(dim=-1).cpu() for gradient in torch.autograd.grad(total, kept)]
    finally:
        vlm.model.train(training)
