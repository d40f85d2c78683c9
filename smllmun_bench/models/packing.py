"""Many questions in one row of a batch; questions on one image share its tokens.

A row holds blocks, one per image: the prefix (everything up to the end of the image), then the rest of each question.
When answers are scored, those to one question share its tokens too, all but the last, which predicts. A token sees
the prefix of its block, its question and its own answer only, and positions restart where something shared ends, so
each answer gets exactly the logits that it would get alone, for a fraction of the tokens and almost no padding.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smllmun_bench.models.encoding import Encoded

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Question:
    """Items that share the next `stem` tokens after their block's prefix: answers to one question. 0: one item."""

    stem: int
    members: tuple[int, ...]
    length: int


@dataclass(frozen=True, slots=True)
class Block:
    """The first `prefix` tokens of all members (indices into the encoded items) are the same: an image's."""

    prefix: int
    questions: tuple[Question, ...]

    @property
    def members(self) -> tuple[int, ...]:
        return tuple(index for question in self.questions for index in question.members)

    @property
    def length(self) -> int:
        return self.prefix + sum(question.length for question in self.questions)


Row = tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Packed:
    """A batch of rows, ready for the model. Shapes: B rows, L tokens, N answer tokens in all.

    `mask` is (B, 1, L, L), True where a query may look; `predict_row` / `predict_at` (N) give where each answer
    token is predicted, `target` (N) its id and `owner` (N) the index of its item.
    """

    ids: "Tensor"
    positions: "Tensor"
    mask: "Tensor"
    images: tuple[tuple[str, ...], ...]
    predict_row: "Tensor"
    predict_at: "Tensor"
    target: "Tensor"
    owner: "Tensor"


def additive(mask: "Tensor", dtype: "torch.dtype") -> "Tensor":
    """0 where one may look, -inf elsewhere: worked out once, where every layer would do it again for True and False."""
    import torch

    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, float("-inf"))


def prefix_length(item: Encoded, image_token: int) -> int:
    """How many tokens of a question its image shares with other questions: all up to the image's last one."""
    if not item.images:
        return 0
    return len(item.ids) - item.ids[::-1].index(image_token)


def plan_rows(
    encoded: Sequence[Encoded], image_token: int, *, max_length: int, share_questions: bool = False
) -> list[Row]:
    """Which items share a row of at most `max_length` tokens (a longer item has one to itself), longest block first.

    `share_questions`: several answers to one question share its tokens too, its last one apart, which predicts.
    """
    blocks = sorted(_blocks(encoded, image_token, max_length, share_questions), key=lambda block: -block.length)
    rows: list[list[Block]] = []
    room: list[int] = []
    for block in blocks:  # first fit, decreasing
        fits = next((i for i, left in enumerate(room) if block.length <= left), None)
        if fits is None:
            rows.append([block])
            room.append(max_length - block.length)
        else:
            rows[fits].append(block)
            room[fits] -= block.length
    return [tuple(row) for row in rows]


def _blocks(encoded: Sequence[Encoded], image_token: int, max_length: int, share_questions: bool) -> list[Block]:
    groups: dict[tuple[tuple[str, ...], tuple[int, ...], int], list[int]] = defaultdict(list)
    for index, item in enumerate(encoded):
        prefix = prefix_length(item, image_token)
        # Where an answer follows its image at once, the image's last token predicts it and cannot be shared.
        apart = index if item.images and item.answer_start <= prefix else -1
        groups[item.images, item.ids[:prefix], apart].append(index)
    blocks: list[Block] = []
    for (images, shared, _), members in groups.items():
        prefix = len(shared)
        room = max_length - prefix
        taken: list[Question] = []
        left = room
        for question in _questions(encoded, members, prefix, room if share_questions else 0):
            if taken and (not images or question.length > left):
                blocks.append(Block(prefix, tuple(taken)))
                taken, left = [], room
            taken.append(question)
            left -= question.length
        blocks.append(Block(prefix, tuple(taken)))
    return blocks


def _questions(encoded: Sequence[Encoded], members: Sequence[int], prefix: int, room: int) -> list[Question]:
    """Members with the same prompt together, as many as `room` tokens hold; without room each by itself."""
    prompts: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index in members:
        item = encoded[index]
        prompts[item.ids[: item.answer_start] if room > 0 else (index,)].append(index)
    found: list[Question] = []
    for same in prompts.values():
        stem = encoded[same[0]].answer_start - 1 - prefix
        taken: list[int] = []
        left = room - stem
        for index in same:
            length = len(encoded[index].ids) - prefix - stem
            if taken and length > left:
                found.append(_question(encoded, taken, prefix, stem))
                taken, left = [], room - stem
            taken.append(index)
            left -= length
        found.append(_question(encoded, taken, prefix, stem))
    return found


def _question(encoded: Sequence[Encoded], members: Sequence[int], prefix: int, stem: int) -> Question:
    stem = stem if len(members) > 1 else 0
    return Question(stem, tuple(members), stem + sum(len(encoded[index].ids) - prefix - stem for index in members))


def pack(encoded: Sequence[Encoded], rows: Sequence[Row], pad: int) -> Packed:
    """Lay the rows out as tensors (on the CPU)."""
    import torch

    width = max(sum(block.length for block in row) for row in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    positions = torch.zeros((len(rows), width), dtype=torch.long)
    segment = torch.full((len(rows), width), -1, dtype=torch.long)  # one number per stem and per item, 0 in a prefix
    parent = torch.full((len(rows), width), -1, dtype=torch.long)  # the segment of an item's stem
    block_of = torch.full((len(rows), width), -1, dtype=torch.long)
    where: list[tuple[int, int, int, int]] = []  # row, place of the prediction, token, item
    images: list[tuple[str, ...]] = []
    for r, row in enumerate(rows):
        at = 0
        for b, block in enumerate(row):
            head = encoded[block.members[0]]
            images += [head.images] if head.images else []
            block_of[r, at : at + block.length] = b
            ids[r, at : at + block.prefix] = torch.tensor(head.ids[: block.prefix], dtype=torch.long)
            positions[r, at : at + block.prefix] = torch.arange(block.prefix)
            segment[r, at : at + block.prefix] = 0
            at += block.prefix
            number = 0
            for question in block.questions:
                begun = block.prefix + question.stem
                stem = number = number + 1
                end = at + question.stem
                ids[r, at:end] = torch.tensor(encoded[question.members[0]].ids[block.prefix : begun], dtype=torch.long)
                positions[r, at:end] = torch.arange(block.prefix, begun)
                segment[r, at:end] = stem
                at = end
                for index in question.members:
                    item = encoded[index]
                    number += 1
                    end = at + len(item.ids) - begun
                    ids[r, at:end] = torch.tensor(item.ids[begun:], dtype=torch.long)
                    positions[r, at:end] = torch.arange(begun, len(item.ids))
                    segment[r, at:end] = number
                    parent[r, at:end] = stem
                    before = at + item.answer_start - begun - 1
                    where += [(r, before + n, token, index) for n, token in enumerate(item.ids[item.answer_start :])]
                    at = end
    causal = torch.ones((width, width), dtype=torch.bool).tril()
    seen = segment[:, None, :]
    same = (segment[:, :, None] == seen) | (seen == 0) | (parent[:, :, None] == seen)
    mask = causal & same & (block_of[:, :, None] == block_of[:, None, :]) & (block_of[:, :, None] >= 0)
    mask |= torch.eye(width, dtype=torch.bool)  # padding looks at itself: a row with nothing to see would be NaN
    columns = torch.tensor(where, dtype=torch.long).reshape(-1, 4).unbind(1)
    return Packed(ids, positions, mask[:, None], tuple(images), *columns)
