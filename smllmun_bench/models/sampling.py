"""Drawing the next token: temperature and nucleus, with the chance of each answer fixed beforehand.

Every drawn answer brings its own row of uniform numbers, one for each token, so that what is drawn depends neither on
the batch it is in nor on how many other answers are drawn.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smllmun_bench.models.answering import Draw

Choose = Callable[[Tensor, Sequence[int], Sequence[int]], Tensor]
"""(logits (B, V), numbers of the B questions, tokens that their answers have) -> the next token of each, (B)."""


def likeliest(logits: Tensor, numbers: Sequence[int], lengths: Sequence[int]) -> Tensor:
    return logits.argmax(dim=-1)


def drawn(logits: Tensor, temperature: Tensor, top_p: Tensor, chance: Tensor) -> Tensor:
    """Where `chance` (B), in [0, 1), falls in the cumulated distribution of each row of `logits` (B, V).

    The nucleus is the smallest set of likeliest tokens whose mass reaches `top_p` (Holtzman et al. 2020), at least
    one. The others have no share; the rest is cumulated in the order of the vocabulary.
    """
    mass = torch.softmax(logits.double() / temperature[:, None], dim=-1)
    if bool((top_p < 1).any()):
        ranked, order = mass.sort(dim=-1, descending=True, stable=True)
        before = ranked.cumsum(dim=-1) - ranked
        inside = before < top_p[:, None]
        inside[:, 0] = True
        mass = mass * torch.zeros_like(inside).scatter(1, order, inside)
    reached = mass.cumsum(dim=-1)
    return (reached <= chance[:, None] * reached[:, -1:]).sum(dim=-1).clamp(max=logits.shape[-1] - 1)


def chooser(draws: Sequence[Draw | None], most: int) -> Choose:
    """Chooses tokens for the questions that are numbered as `draws` is; None: the likeliest. `most`: tokens of an
    answer."""
    if not any(draws):
        return likeliest
    chances = [np.random.default_rng(draw.seed).random(most) if draw is not None else None for draw in draws]

    def choose(logits: Tensor, numbers: Sequence[int], lengths: Sequence[int]) -> Tensor:
        tokens = logits.argmax(dim=-1)
        rows, settings = [], []
        for row, (number, length) in enumerate(zip(numbers, lengths, strict=True)):
            draw, chance = draws[number], chances[number]
            if draw is not None and chance is not None:
                rows.append(row)
                settings.append((draw.temperature, draw.top_p, chance[min(length, most - 1)]))
        if rows:
            where = torch.tensor(rows, device=logits.device)
            values = torch.tensor(settings, dtype=torch.float64, device=logits.device)
            tokens[where] = drawn(logits[where], *values.unbind(dim=1))
        return tokens

    return choose


class Chosen:
    """`choose` as a logits processor of `transformers`: all but the chosen token are ruled out."""

    def __init__(self, choose: Choose, numbers: Sequence[int]) -> None:
        self._choose, self._numbers, self._length = choose, numbers, 0

    def __call__(self, input_ids: Any, scores: Tensor) -> Tensor:
        tokens = self._choose(scores, self._numbers, [self._length] * len(self._numbers))
        self._length += 1
        return torch.full_like(scores, -torch.inf).scatter(1, tokens[:, None], 0.0)
