"""What the decoder holds at the last token of a prompt, before a word of the answer is said."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smllmun_bench.methods._layers import decoder_layers
from smllmun_bench.models.doors import Seats, at_prefill, seated

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Query, Vlm

BATCH = 32


def last(seats: Seats, hidden: Tensor) -> Tensor:
    """(rows, width): the state at the last token of each prompt."""
    return hidden[torch.arange(len(seats.end), device=hidden.device), (seats.end - 1).to(hidden.device)]


def entering(vlm: "Vlm", queries: "Sequence[Query]", layers: Sequence[int], method: str) -> dict[int, Tensor]:
    """By number of the decoder block, what enters it at the last token of each prompt: (prompts, width), float64."""
    heard = read(vlm, queries, layers, last, method)
    return {layer: states.double() for layer, states in heard.items()}


def read(
    vlm: "Vlm",
    queries: "Sequence[Query]",
    layers: Sequence[int],
    take: Callable[[Seats, Tensor], Tensor],
    method: str,
) -> dict[int, Tensor]:
    """`take(seats, what enters the block)`, a row for each prompt, in their order, on the CPU.

    Prompts of like length share a batch: each has a row of its own there, and the rest is padding.
    """
    encoded = [vlm.encode(query) for query in queries]
    alike = sorted(encoded, key=lambda item: -len(item.ids))
    number = {id(item): index for index, item in enumerate(encoded)}
    passed: list[int] = []  # whose row went by, for a batch has an order of its own
    blocks = decoder_layers(vlm, method)
    heard: Mapping[int, list[Tensor]] = {layer: [] for layer in layers}

    def listener(layer: int) -> Callable[[Seats, Tensor], Tensor]:
        def listen(seats: Seats, hidden: Tensor) -> Tensor:
            heard[layer].append(take(seats, hidden).float().cpu())
            if layer == layers[0]:
                passed.extend(number[id(item)] for item in seats.items)
            return hidden

        return listen

    with torch.no_grad(), seated(vlm), ExitStack() as stack:
        for layer in layers:
            stack.enter_context(at_prefill(vlm, blocks[layer], listener(layer)))
        for at in range(0, len(alike), BATCH):
            vlm.score_answers(alike[at : at + BATCH])
    back = torch.tensor(passed).argsort()
    return {layer: torch.cat(parts)[back] for layer, parts in heard.items()}
