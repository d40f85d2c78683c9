"""Hidden states of answer tokens, caught on their way through a decoder block."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smllmun_bench.models.hooks import reading

if TYPE_CHECKING:
    from torch import nn

    from smllmun_bench.models.vlm import Vlm


class AnswerStates:
    """What passed since the last `take`."""

    def __init__(self) -> None:
        self.parts: list[Tensor] = []

    def take(self) -> Tensor:
        """(tokens, width) in float32: one state per answer token, EOS included, in the order of the scores."""
        states, self.parts = torch.cat(self.parts).float(), []
        return states


@contextmanager
def answer_states(vlm: "Vlm", block: "nn.Module") -> "Iterator[AnswerStates]":
    """Inside, every scored answer leaves the states of its own tokens (not those that predict them) at `block`."""
    found = AnswerStates()

    def listen(states: Tensor) -> None:
        packed = vlm.current_batch
        if packed is not None:  # a batch that is scored, not one that is generated
            rows, at = packed.predict_row.to(states.device), packed.predict_at.to(states.device) + 1
            found.parts.append(states[rows, at])

    with reading(vlm, block, listen, side="output"):
        yield found
