"""Greedy answers to many questions, each image read once, and no batch kept waiting by its longest answers.

The tokens up to the end of an image go through the decoder once for all questions that share them, and their keys and
values are handed to each; then come the questions, then one token at a time for those that are not done. When a quarter
of a batch is left it makes room for the next one, and what is left of several goes on together. Same texts as
`generate`, which does all of it for every row until the last one stops.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from smllmun_bench.models.encoding import Encoded
from smllmun_bench.models.memory import device_of, in_batches
from smllmun_bench.models.packing import additive, prefix_length

Embed = Callable[[Tensor, tuple[tuple[str, ...], ...]], Tensor]
"""(ids (B, L), images of the rows that have some) -> input embeddings (B, L, hidden)."""

Said = Mapping[int, list[int]]
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
    """B answers that go on, of the questions `numbers`.

    `cache` holds keys and values of L places, of which each row may see those that are `valid` (B, L). The last token
    of each answer has not been read yet; it will stand at `positions` (B).
    """

    numbers: list[int]
    answers: list[list[int]]
    valid: Tensor
    positions: Tensor
    cache: Any


@torch.inference_mode()
def greedy(
    model: Any,
    embed: Embed,
    encoded: Sequence[Encoded],
    order: Sequence[int],
    image_token: int,
    stop: Stop,
    *,
    batch_size: int,
    tell: Callable[[Said], None],
) -> None:
    """Answer the questions of `encoded` that `order` numbers, in batches. Each answer is told once, when it is done.

    A batch that does not fit into memory is halved, and so are those after it; what was told stays told.
    """
    waiting: list[_Going] = []

    def settle(said: Said, left: _Going | None) -> None:
        tell(said)
        if left is not None:
            waiting.append(left)

    def ask(chunk: Sequence[int]) -> None:
        few = len(chunk) // 4
        settle(*_continue(model, embed, _begin(model, embed, encoded, chunk, image_token, stop), stop, few))
        if sum(len(going.numbers) for going in waiting) >= len(chunk):
            together(few)

    def together(few: int) -> None:
        parts = list(waiting)
        waiting.clear()
        in_batches(lambda some: settle(*_continue(model, embed, _joined(model, some), stop, few)), parts, len(parts))

    in_batches(ask, order, batch_size)
    while waiting:
        together(0)


def _begin(
    model: Any, embed: Embed, encoded: Sequence[Encoded], numbers: Sequence[int], image_token: int, stop: Stop
) -> _Going:
    """Images and questions read, the first token of each answer said."""
    batch = [encoded[number] for number in numbers]
    device = device_of(model)
    cache = _empty(model)
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
    last = _forward(model, embed(ids, ()), valid.long(), start + _positions(there), cache)[:, -1]
    first = model.get_output_embeddings()(last).argmax(dim=-1)
    return _Going(list(numbers), [[token] for token in first.tolist()], valid, valid.sum(dim=1), cache)


def _continue(model: Any, embed: Embed, going: _Going, stop: Stop, few: int) -> tuple[Said, _Going | None]:
    """One token after another until at most `few` answers go on: what was said, and those that do. Uses `going` up."""
    numbers, answers, valid, positions = going.numbers, going.answers, going.valid, going.positions
    said: dict[int, list[int]] = {}
    while True:
        on = [at for at, answer in enumerate(answers) if not stop.ended(answer)]
        if 8 * len(on) <= 7 * len(answers) or len(on) <= few:
            # copying keys and values costs part of a step, so not for one in many
            said |= {number: answer for number, answer in zip(numbers, answers, strict=True) if stop.ended(answer)}
            if not on:
                return said, None
            keep = torch.tensor(on, device=valid.device)
            going.cache.batch_select_indices(keep)
            numbers, answers = [numbers[at] for at in on], [answers[at] for at in on]
            valid, positions = valid[keep], positions[keep]
            if len(on) <= few:
                return said, _Going(numbers, answers, valid, positions, going.cache)
        tokens = torch.tensor([answer[-1:] for answer in answers], device=valid.device)
        valid = torch.cat([valid, valid.new_ones((len(answers), 1))], dim=1)
        embeds = embed(tokens, ())
        seen = additive(valid, embeds.dtype)[:, None, None]  # else every step works out from `valid` what this says
        last = _forward(model, embeds, seen, positions[:, None], going.cache)[:, -1]
        positions = positions + 1
        for answer, token in zip(answers, model.get_output_embeddings()(last).argmax(dim=-1).tolist(), strict=True):
            if not stop.ended(answer):
                answer.append(token)


def _joined(model: Any, parts: Sequence[_Going]) -> _Going:
    """The answers of all parts as one batch without common gaps. The parts stay as they are."""
    width = max(int(part.valid.sum(dim=1).max()) for part in parts)
    cache = _empty(model)
    places = [_last_seen(part.valid, width) for part in parts]
    for number in range(len(parts[0].cache.layers)):
        layers = [part.cache.layers[number] for part in parts]
        keys = torch.cat([_taken(layer.keys, place, width) for layer, place in zip(layers, places, strict=True)])
        values = torch.cat([_taken(layer.values, place, width) for layer, place in zip(layers, places, strict=True)])
        cache.update(keys, values, number)
    counts = torch.cat([part.valid.sum(dim=1) for part in parts])
    return _Going(
        [number for part in parts for number in part.numbers],
        [list(answer) for part in parts for answer in part.answers],
        torch.arange(width, device=counts.device) >= (width - counts)[:, None],
        torch.cat([part.positions for part in parts]),
        cache,
    )


def _last_seen(valid: Tensor, width: int) -> Tensor:
    """Indices (B, at most `width`) of the places that each row may see, in order, at the right; gaps at the left."""
    return valid.long().argsort(dim=1, stable=True)[:, -width:]


def _taken(states: Tensor, places: Tensor, width: int) -> Tensor:
    """Of keys or values (B, heads, L, size) those at `places`, with zeros at the left up to `width`."""
    index = places.to(states.device)[:, None, :, None].expand(-1, states.shape[1], -1, states.shape[3])
    return pad(states.gather(2, index), (0, 0, width - places.shape[1], 0))


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


def _left_padded(rows: Sequence[Sequence[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(ids (B, L), valid (B, L))."""
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    valid = torch.zeros((len(rows), width), dtype=torch.bool)
    for at, row in enumerate(rows):
        ids[at, width - len(row) :] = torch.tensor(row, dtype=torch.long)
        valid[at, width - len(row) :] = True
    return ids.to(device), valid.to(device)


def _positions(valid: Tensor) -> Tensor:
    return (valid.cumsum(dim=1) - 1).clamp(min=0)
