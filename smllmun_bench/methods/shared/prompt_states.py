"""What the decoder holds at the last token of a prompt, before a word of the answer is said."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smllmun_bench.models.hooks import BatchLayout, at_prefill, one_row_per_question
from smllmun_bench.models.parts import decoder_layers

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Query, Vlm

BATCH = 32


class _HeardAll(Exception):
    """The deepest block asked about has been reached; what lies above it would be worked out for nobody."""


def last(layout: BatchLayout, hidden: Tensor) -> Tensor:
    """(rows, width): the state at the last token of each prompt."""
    return hidden[torch.arange(len(layout.end), device=hidden.device), (layout.end - 1).to(hidden.device)]


def entering(vlm: "Vlm", queries: "Sequence[Query]", layers: Sequence[int], method: str) -> dict[int, Tensor]:
    """By number of the decoder block, what enters it at the last token of each prompt: (prompts, width), float64.

    The prompts are in no particular order, the same for each block.
    """
    heard = read(vlm, queries, layers, last, method)
    return {layer: states.double() for layer, states in heard.items()}


def read(
    vlm: "Vlm",
    queries: "Sequence[Query]",
    layers: Sequence[int],
    take: Callable[[BatchLayout, Tensor], Tensor],
    method: str,
) -> dict[int, Tensor]:
    """`take(layout, what enters the block)` of every batch of prompts, one below the other, on the CPU."""
    blocks, deepest = decoder_layers(vlm, method), max(layers)
    heard: Mapping[int, list[Tensor]] = {layer: [] for layer in layers}

    def listener(layer: int) -> Callable[[BatchLayout, Tensor], Tensor]:
        def listen(layout: BatchLayout, hidden: Tensor) -> Tensor:
            heard[layer].append(take(layout, hidden).float().cpu())
            if layer == deepest:
                raise _HeardAll
            return hidden

        return listen

    with torch.no_grad(), one_row_per_question(vlm), ExitStack() as stack:
        for layer in layers:
            stack.enter_context(at_prefill(vlm, blocks[layer], listener(layer)))
        for at in range(0, len(queries), BATCH):
            batch = [vlm.encode(query) for query in queries[at : at + BATCH]]
            for group in vlm.alike(batch):  # one pass each, which is left half-way
                with suppress(_HeardAll):
                    vlm.score_answers([batch[index] for index in group])
    return {layer: torch.cat(parts) for layer, parts in heard.items()}
