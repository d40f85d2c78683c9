"""ECO's two halves: a gate that reads what enters the decoder, and noise on the embeddings of what it picks out."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smllmun_bench.methods.shared.token_masks import phrase_ids, spans
from smllmun_bench.models.change import Settings
from smllmun_bench.models.hooks import BatchLayout, at_prefill, one_row_per_question
from smllmun_bench.models.parts import decoder_layers

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm

_CHUNK = 256  # positions whose noise is drawn together


def pooled(layout: BatchLayout, hidden: Tensor, image_token: int) -> Tensor:
    """(rows, 2 · width + 1): mean embedding of the words of a prompt, of its pictures, and whether it has one."""
    prompt, image = layout.prompt().to(hidden.device), (layout.ids == image_token).to(hidden.device)
    parts = [_mean(hidden.float(), prompt & ~image), _mean(hidden.float(), prompt & image)]
    return torch.cat([*parts, (prompt & image).any(1, keepdim=True).float()], dim=1)


def _mean(hidden: Tensor, where: Tensor) -> Tensor:
    weights = where.float()[..., None]
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


def margin(features: Tensor, gate: Mapping[str, Tensor]) -> Tensor:
    """(rows): logit of "about the forget set", which unlike its probability does not saturate."""
    scaled = (features - gate["centre"]) / gate["spread"]
    inside = torch.relu(scaled @ gate["into"].T + gate["into_bias"])
    return inside @ gate["out"] + gate["out_bias"]


def conformal_threshold(margins: Sequence[float], alpha: float) -> float:
    """The ⌈(n+1)(1−α)⌉-th smallest of n margins, infinity where that rank exceeds n.

    A further question of the same kind has a larger margin with probability α at most (split conformal prediction).
    """
    rank = math.ceil((len(margins) + 1) * (1 - alpha) - 1e-9)
    return sorted(margins)[rank - 1] if rank <= len(margins) else math.inf


def marked(layout: BatchLayout, image_token: int, names: Sequence[tuple[int, ...]], where: str) -> Tensor:
    """(rows, length): the tokens to corrupt. Names, pictures, or both; where there is neither, all but the last.

    `image` leaves questions in words alone.
    """
    prompt, image = layout.prompt(), layout.ids == image_token
    if where == "image":
        return prompt & image
    found = prompt & spans(layout, names) & ~image
    if where == "both":
        found = found | (prompt & image)
    last = torch.arange(layout.ids.shape[1]) == layout.end[:, None] - 1
    return torch.where(found.any(1, keepdim=True), found, prompt & ~last & ~image)


def corrupted(hidden: Tensor, where: Tensor, noise: Tensor, *, how: str, coordinates: int | None) -> Tensor:
    """`hidden` (rows, length, width) with the tokens at `where` corrupted; `noise` is used by the kinds that add it."""
    width = hidden.shape[-1]
    count = width if coordinates is None else min(coordinates, width)
    if how == "noise-first":
        chosen = (torch.arange(width, device=hidden.device) < count).expand(hidden.shape)
    else:  # the largest in absolute value
        chosen = torch.zeros_like(hidden, dtype=torch.bool)
        chosen.scatter_(-1, hidden.abs().topk(count, dim=-1).indices, True)
    changed = {"noise-first": lambda: hidden + noise, "noise-top": lambda: hidden + noise}
    changed |= {"zero-top": lambda: torch.zeros_like(hidden), "flip-top": lambda: -hidden}
    return torch.where(chosen & where.to(hidden.device)[..., None], changed[how](), hidden)


@contextmanager
def corruption(vlm: "Vlm", tensors: Mapping[str, Tensor], settings: Settings) -> "Iterator[Vlm]":
    """Prompts whose margin exceeds `settings.threshold` are corrupted where they enter the decoder."""
    block = decoder_layers(vlm, "eco")[0]
    gate = {name: tensor.to(vlm.device) for name, tensor in tensors.items()}
    names = [ids for name in settings["names"] for ids in sorted(phrase_ids(vlm, name))]
    threshold = math.inf if settings["threshold"] is None else float(settings["threshold"])
    size, noise = float(settings["strength"]), _Noise(settings["seed"])

    def change(layout: BatchLayout, hidden: Tensor) -> Tensor:
        fires = margin(pooled(layout, hidden, vlm.image_token), gate) > threshold
        where = marked(layout, vlm.image_token, names, settings["where"]).to(hidden.device) & fires[:, None]
        if not where.any():
            return hidden
        scale = hidden.float().square().mean(-1, keepdim=True).sqrt() if settings["relative"] else 1.0
        added = (size * scale * noise.at(layout, hidden)).to(hidden.dtype)
        return corrupted(hidden, where, added, how=settings["how"], coordinates=settings["coordinates"])

    with one_row_per_question(vlm), at_prefill(vlm, block, change):
        yield vlm


class _Noise:
    """Standard normal, always the same at one place of a prompt, so that no answer depends on its neighbours."""

    def __init__(self, seed: int) -> None:
        self._seed, self._chunks = seed, list[Tensor]()

    def at(self, layout: BatchLayout, hidden: Tensor) -> Tensor:
        places = (torch.arange(layout.ids.shape[1]) - layout.begin[:, None]).clamp(min=0)
        while len(self._chunks) * _CHUNK <= int(places.max()):
            draw = torch.Generator().manual_seed(self._seed * 1_000_003 + len(self._chunks))
            self._chunks.append(torch.randn(_CHUNK, hidden.shape[-1], generator=draw))
        return torch.cat(self._chunks)[places].to(hidden.device)
