"""Many questions in one row of a batch; questions on one image share its tokens.

A row holds blocks, one per image: the prefix (everything up to the end of the image), then the rest of each question.
A token sees the prefix of its block and its own question only, and positions restart after the prefix, so each
question gets exactly the logits that it would get alone, for a fraction of the tokens and almost no padding.
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
class Block:
    """`members` are indices into the encoded items; the first `prefix` tokens of each are the same."""

    prefix: int
    members: tuple[int, ...]
    length: int


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


def plan_rows(encoded: Sequence[Encoded], image_token: int, *, max_length: int) -> list[Row]:
    """Which items share a row of at most `max_length` tokens (a longer item has one to itself), longest block first."""
    blocks = sorted(_blocks(encoded, image_token, max_length), key=lambda block: -block.length)
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


def _blocks(encoded: Sequence[Encoded], image_token: int, max_length: int) -> list[Block]:
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, item in enumerate(encoded):
        groups[item.images].append(index)
    blocks: list[Block] = []
    for images, members in groups.items():
        first = encoded[members[0]].ids
        prefix = max(i for i, token in enumerate(first) if token == image_token) + 1 if images else 0
        taken: list[int] = []
        length = prefix
        for index in members:
            extra = len(encoded[index].ids) - prefix
            full = not images or length + extra > max_length or encoded[index].ids[:prefix] != first[:prefix]
            if taken and full:
                blocks.append(Block(prefix, tuple(taken), length))
                taken, length, first = [], prefix, encoded[index].ids
            taken.append(index)
            length += extra
        blocks.append(Block(prefix, tuple(taken), length))
    return blocks


def pack(encoded: Sequence[Encoded], rows: Sequence[Row], pad: int) -> Packed:
    """Lay the rows out as tensors (on the CPU)."""
    import torch

    width = max(sum(block.length for block in row) for row in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    positions = torch.zeros((len(rows), width), dtype=torch.long)
    segment = torch.full((len(rows), width), -1, dtype=torch.long)  # one number per question, 0 in a prefix
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
            for number, index in enumerate(block.members, start=1):
                item = encoded[index]
                end = at + len(item.ids) - block.prefix
                ids[r, at:end] = torch.tensor(item.ids[block.prefix :], dtype=torch.long)
                positions[r, at:end] = torch.arange(block.prefix, len(item.ids))
                segment[r, at:end] = number
                before = at + item.answer_start - block.prefix - 1
                where += [(r, before + n, token, index) for n, token in enumerate(item.ids[item.answer_start :])]
                at = end
    causal = torch.ones((width, width), dtype=torch.bool).tril()
    same = (segment[:, :, None] == segment[:, None, :]) | (segment[:, None, :] == 0)
    mask = causal & same & (block_of[:, :, None] == block_of[:, None, :]) & (block_of[:, :, None] >= 0)
    mask |= torch.eye(width, dtype=torch.bool)  # padding looks at itself: a row with nothing to see would be NaN
    columns = torch.tensor(where, dtype=torch.long).reshape(-1, 4).unbind(1)
    return Packed(ids, positions, mask[:, None], tuple(images), *columns)
