"""Answers to many questions, each image read once, and no batch kept waiting by its longest answers.

The tokens up to the end of an image go through the decoder once for all questions that share them, and their keys and
values are handed to each; then come the questions, each once however many answers are drawn to it, then one token at a
time for those that are not done. When a quarter of a batch is left it makes room for the next one, and what is left of
several goes on together. Same texts as `generate`, which does all of it for every row until the last one stops.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from smllmun_bench.models.encoding import Encoded
from smllmun_bench.models.memory import device_of, fits, in_batches, too_much
from smllmun_bench.models.packing import additive, prefix_length
from smllmun_bench.models.sampling import Choose, likeliest

Embed = Callable[[Tensor, tuple[tuple[str, ...], ...]], Tensor]
"""(ids (B, L), images of the rows that have some) -> input embeddings (B, L, hidden)."""

TokenIds = Mapping[int, list[int]]
"""Number of a question -> the tokens of its answer, the one that ended it included."""


@dataclass(frozen=True, slots=True)
class Stop:
    """What ends an answer, and what fills the gaps of a batch."""

    ids: frozenset[int]
    pad: int
    most: int  # new tokens

    def ended(self, answer: Sequence[int]) -> bool:
        return len(answer) >= self.most or (bool(answer) and answer[-1] in self.ids)


@dataclass(frozen=True, slots=True)
class _Going:
    """B answers that go on, to the questions `numbers`.

    `cache` holds keys and values of L places, of which each row may see those that are `valid` (B, L). The last token
    of each answer has not been read yet.
    """

    numbers: list[int]
    answers: list[list[int]]
    valid: Tensor
    cache: Any


@dataclass(frozen=True, slots=True)
class _Paused:
    """One of them that waits: of each layer, keys and values (places, heads, size) of all that it has read."""

    number: int
    answer: list[int]
    states: list[tuple[Tensor, Tensor]]


@torch.inference_mode()
def decode(
    model: Any,
    embed: Embed,
    encoded: Sequence[Encoded],
    order: Sequence[int],
    image_token: int,
    stop: Stop,
    *,
    batch_size: int,
    tell: Callable[[TokenIds], None],
    choose: Choose = likeliest,
) -> None:
    """Answer the questions of `encoded` that `order` numbers, in batches. Each answer is told once, when it is done.

    At no time are more than `batch_size` answers begun and not done. Where they do not fit into memory, those that wait
    are finished first, and if that does not help, batches are halved from then on. What was told stays told.

    Raises:
        UserError: a single question does not fit.
    """
    waiting: list[_Paused] = []

    def settle(finished: TokenIds, paused: Sequence[_Paused]) -> None:
        tell(finished)
        waiting.extend(paused)

    def ask(chunk: Sequence[int]) -> None:
        going = _begin(model, embed, encoded, chunk, image_token, stop, choose)
        settle(*_continue(model, embed, going, stop, choose, few=len(chunk) // 4))

    def resume(some: Sequence[_Paused], few: int) -> None:
        settle(*_continue(model, embed, _resumed(model, some), stop, choose, min(few, len(some) // 4)))

    def together(few: int) -> None:
        """All that wait go on, in as few batches as memory allows, until `few` are left of each."""
        paused = list(waiting)
        waiting.clear()
        in_batches(lambda some: resume(some, few), paused, len(paused))

    at, size = 0, batch_size
    while at < len(order) or waiting:
        chunk = order[at : at + max(0, size - len(waiting))]
        if not chunk or 3 * len(waiting) > size:  # a third: putting them together takes their room once more
            together(size // 8 if at < len(order) else 0)
        elif fits(partial(ask, chunk)):
            at += len(chunk)
        elif waiting:
            together(0)
        elif len(chunk) == 1:
            raise too_much()
        else:
            size = len(chunk) // 2


def _begin(
    model: Any,
    embed: Embed,
    encoded: Sequence[Encoded],
    numbers: Sequence[int],
    image_token: int,
    stop: Stop,
    choose: Choose,
) -> _Going:
    """Images and questions read, the first token of each answer chosen."""
    asked = [encoded[number] for number in numbers]
    batch = list(dict.fromkeys(asked))
    device = device_of(model)
    cache = _empty(model)
    lengths = [prefix_length(item, image_token) for item in batch]
    heads = [(item.images, item.ids[:length]) for item, length in zip(batch, lengths, strict=True)]
    shared = list(dict.fromkeys(head for head in heads if head[0]))
    valid = torch.zeros((len(batch), 0), dtype=torch.bool, device=device)
    if shared:
        ids, there = _left_padded([ids for _, ids in shared], stop.pad, device)
        _forward(model, embed(ids, tuple(images for images, _ in shared)), there.long(), _positions(there), cache)
        owner = torch.tensor([shared.index(head) if head[0] else 0 for head in heads])
        cache.reorder_cache(owner)
        valid = there[owner.to(device)] & torch.tensor([bool(head[0]) for head in heads], device=device)[:, None]
    tails = [item.ids[length:] for item, length in zip(batch, lengths, strict=True)]
    ids, there = _left_padded(tails, stop.pad, device)
    start = torch.tensor(lengths, device=device)[:, None]
    valid = torch.cat([valid, there], dim=1)
    last = _forward(model, embed(ids, ()), valid.long(), start + _positions(there), cache)[:, -1]
    if len(batch) < len(asked):  # several answers to one prompt
        place = {item: at for at, item in enumerate(batch)}
        again = torch.tensor([place[item] for item in asked])
        cache.reorder_cache(again)
        valid, last = valid[again.to(device)], last[again.to(device)]
    first = choose(model.get_output_embeddings()(last), numbers, [0] * len(numbers))
    return _Going(list(numbers), [[token] for token in first.tolist()], valid, cache)


def _continue(
    model: Any, embed: Embed, going: _Going, stop: Stop, choose: Choose, few: int
) -> tuple[TokenIds, list[_Paused]]:
    """One token after another until at most `few` answers go on: what ended, and those. Uses `going` up."""
    numbers, answers, valid, cache = going.numbers, going.answers, going.valid, going.cache
    finished: dict[int, list[int]] = {}
    while True:
        on = [at for at, answer in enumerate(answers) if not stop.ended(answer)]
        last = len(on) <= few
        if last or 8 * len(on) <= 7 * len(answers):  # copying states costs part of a step, so not for one in many
            finished |= {number: answer for number, answer in zip(numbers, answers, strict=True) if stop.ended(answer)}
            if last:
                return finished, [_paused(numbers[at], answers[at], valid[at], cache, at) for at in on]
            keep = torch.tensor(on)
            cache.reorder_cache(keep)
            valid = valid[keep.to(valid.device)]
            numbers, answers = [numbers[at] for at in on], [answers[at] for at in on]
        tokens = torch.tensor([answer[-1:] for answer in answers], device=valid.device)
        positions = valid.sum(dim=1, keepdim=True)
        valid = torch.cat([valid, valid.new_ones((len(answers), 1))], dim=1)
        embeds = embed(tokens, ())
        seen = additive(valid, embeds.dtype)[:, None, None]  # else every step works out from `valid` what this says
        hidden = _forward(model, embeds, seen, positions, cache)[:, -1]
        following = choose(model.get_output_embeddings()(hidden), numbers, [len(answer) for answer in answers])
        for answer, token in zip(answers, following.tolist(), strict=True):
            if not stop.ended(answer):
                answer.append(token)


def _paused(number: int, answer: list[int], valid: Tensor, cache: Any, row: int) -> _Paused:
    """A row of a batch by itself, without the gaps; `valid` (L)."""
    places = valid.nonzero().squeeze(1)

    def taken(states: Tensor) -> Tensor:
        return states[row].index_select(1, places.to(states.device)).transpose(0, 1)

    return _Paused(number, answer, [(taken(layer.keys), taken(layer.values)) for layer in cache.layers])


def _resumed(model: Any, paused: Sequence[_Paused]) -> _Going:
    """A batch of them, the shorter ones with gaps at the left. They themselves stay as they are."""
    cache = _empty(model)
    for number in range(len(paused[0].states)):
        keys, values = (
            pad_sequence([one.states[number][kind] for one in paused], batch_first=True, padding_side="left")
            for kind in (0, 1)
        )
        cache.update(keys.transpose(1, 2), values.transpose(1, 2), number)
    counts = torch.tensor([len(one.states[0][0]) for one in paused], device=device_of(model))
    width = int(counts.max())
    valid = torch.arange(width, device=counts.device) >= (width - counts)[:, None]
    return _Going([one.number for one in paused], [list(one.answer) for one in paused], valid, cache)


def _empty(model: Any) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=model.config.get_text_config(decoder=True))


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
