"""Masks over the tokens of a packed batch, by what stands there: (rows, length), True where it is so."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.models.hooks import BatchLayout
    from smllmun_bench.models.packing import Packed
    from smllmun_bench.models.vlm import Vlm


def real(packed: "Packed") -> "Tensor":
    """Not padding. A padded place sees itself alone and is seen by nobody else; the first token of a row is seen."""
    seen: Tensor = packed.mask[:, 0].sum(dim=2) + packed.mask[:, 0].sum(dim=1)
    return seen > 2


def pictures(packed: "Packed", image_token: int) -> "Tensor":
    """Where a feature of an image stands."""
    return packed.ids == image_token


def words(packed: "Packed", image_token: int) -> "Tensor":
    """Questions and answers with the tokens of the chat template around them."""
    return real(packed) & (packed.ids != image_token)


def answers(packed: "Packed") -> "Tensor":
    """Where a token of an answer stands (not where it is predicted: that is one place earlier)."""
    import torch

    found = torch.zeros_like(packed.ids, dtype=torch.bool)
    found[packed.predict_row, packed.predict_at + 1] = True
    return found


def spans(packed: "Packed | BatchLayout", phrases: Iterable[tuple[int, ...]]) -> "Tensor":
    """Where one of these sequences of token ids stands."""
    import torch

    found = torch.zeros_like(packed.ids, dtype=torch.bool)
    width = packed.ids.shape[1]
    for phrase in phrases:
        if not 0 < len(phrase) <= width:
            continue
        windows = packed.ids.unfold(1, len(phrase), 1)  # (rows, places, length of the phrase)
        starts = (windows == torch.tensor(phrase)).all(-1)
        for offset in range(len(phrase)):
            found[:, offset : offset + starts.shape[1]] |= starts
    return found


def phrase_ids(vlm: "Vlm", text: str) -> set[tuple[int, ...]]:
    """The token ids of a phrase at the start of a text and within one: tokenizers join a word with the blank before."""
    tokenizer = vlm.processor.tokenizer
    return {tuple(tokenizer(way, add_special_tokens=False)["input_ids"]) for way in (text, f" {text}")}
