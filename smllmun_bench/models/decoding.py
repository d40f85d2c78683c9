"""Greedy answers to a batch of questions, each image read once and finished rows sent home.

The tokens up to the end of an image go through the decoder once for all questions that share them, and their keys and
values are handed to each; then come the questions, then one token at a time for those that are not done. Same texts
as `generate`, which does all of it for every row until the last one stops.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from smllmun_bench.models.encoding import Encoded
from smllmun_bench.models.memory import device_of
from smllmun_bench.models.packing import additive, prefix_length

Embed = Callable[[Tensor, tuple[tuple[str, ...], ...]], Tensor]
"""(ids (B, L), images of the rows that have some) -> input embeddings (B, L, hidden)."""


@dataclass(frozen=True, slots=True)
class Stop:
    """What ends an answer, and what fills the gaps of a batch."""

    ids: frozenset[int]
    pad: int
    most: int  # new tokens


@torch.inference_mode()
def greedy(model: Any, embed: Embed, batch: Sequence[Encoded], image_token: int, stop: Stop) -> list[list[int]]:
    """New tokens of each question, the one that ended it included."""
    from transformers import DynamicCache

    device = device_of(model)
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    lengths = [prefix_length(item, image_token) for item in batch]
    heads = [(item.images, item.ids[:length]) for item, length in zip(batch, lengths, strict=True)]
    shared = list(dict.fromkeys(head for head in heads if head[0]))
    valid = torch.zeros((len(batch), 0), dtype=torch.bool, device=device)
    if shared:
        ids, there = _left_padded([ids for _, ids in shared], stop.pad, device)
        _forward(model, embed(ids, tuple(images for images, _ in shared)), there.long(), _positions(there), cache)
        owner = torch.tensor([shared.index(head) if head[0] else 0 for head in heads], device=device)
        cache.batch_select_indices(owner)
        valid = there[owner] & torch.tensor([bool(head[0]) for head in heads], device=device)[:, None]
    tails = [item.ids[length:] for item, length in zip(batch, lengths, strict=True)]
    ids, there = _left_padded(tails, stop.pad, device)
    start = torch.tensor(lengths, device=device)[:, None]
    valid = torch.cat([valid, there], dim=1)
    hidden = _forward(model, embed(ids, ()), valid.long(), start + _positions(there), cache)
    return _continue(model, embed, hidden[:, -1], valid, cache, stop)


def _continue(model: Any, embed: Embed, last: Tensor, valid: Tensor, cache: Any, stop: Stop) -> list[list[int]]:
    """One token after another. `last` (B, hidden) is what the first is taken from; `valid` (B, L) what may be seen."""
    answers: list[list[int]] = [[] for _ in range(len(last))]
    rows = list(range(len(last)))  # which question each row of the cache answers
    positions = valid.sum(dim=1)
    while True:
        tokens = model.get_output_embeddings()(last).argmax(dim=-1)
        said = tokens.tolist()
        for row, token in zip(rows, said, strict=True):
            if not _done(answers[row], stop):
                answers[row].append(token)
        going = [at for at, row in enumerate(rows) if not _done(answers[row], stop)]
        if not going:
            return answers
        if 8 * len(going) <= 7 * len(rows):  # copying keys and values costs part of a step, so not for one in many
            keep = torch.tensor(going, device=tokens.device)
            cache.batch_select_indices(keep)
            rows = [rows[at] for at in going]
            tokens, valid, positions = tokens[keep], valid[keep], positions[keep]
        valid = torch.cat([valid, valid.new_ones((len(rows), 1))], dim=1)
        embeds = embed(tokens[:, None], ())
        seen = additive(valid, embeds.dtype)[:, None, None]  # else every step works out from `valid` what this says
        last = _forward(model, embeds, seen, positions[:, None], cache)[:, -1]
        positions = positions + 1


def _done(answer: Sequence[int], stop: Stop) -> bool:
    return len(answer) >= stop.most or (bool(answer) and answer[-1] in stop.ids)


def _forward(model: Any, embeds: Tensor, mask: Tensor, positions: Tensor, cache: Any) -> Tensor:
    hidden: Tensor = model.model(
        inputs_embeds=embeds,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    return hidden


def _left_padded(rows: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(ids (B, L), valid (B, L))."""
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    valid = torch.zeros((len(rows), width), dtype=torch.bool)
    for at, row in enumerate(rows):
        ids[at, width - len(row) :] = torch.tensor(row, dtype=torch.long)
        valid[at, width - len(row) :] = True
    return ids.to(device), valid.to(device)


def _positions(valid: Tensor) -> Tensor:
    return (valid.cumsum(dim=1) - 1).clamp(min=0)
