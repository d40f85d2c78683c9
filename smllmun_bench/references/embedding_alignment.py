"""Embedding alignment: image tokens learn to be the word embeddings of what there is to see, before the decoder looks.

A decoder that was never trained on pictures then finds words where the picture is. Learning what projected features
mean through its answers alone left more than half of the traits unread after 360 steps (docs/small.md).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smllmun_bench.training.config import TrainingConfig
from smllmun_bench.training.loop import Progress, Silent
from smllmun_bench.training.minibatch import minimise

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm

Words = Mapping[str, Sequence[str]]
"""image reference -> what can be seen on it, one phrase after the other"""

SLOT = 4  # image tokens for each phrase; shorter phrases are filled up with commas, longer ones cut


def align_embeddings(
    vlm: "Vlm", groups: Sequence[Words], config: TrainingConfig, *, seed: int, progress: Progress | None = None
) -> dict[str, Tensor]:
    """Tower and projector learn to write what there is to see; gives their change (float32, by parameter name).

    Patch token number SLOT·i + j becomes the input embedding of token j of phrase i: mean squared error, in units of
    the embeddings' variance. The class token is left free. Each of the `groups` has the same share of every batch.
    """
    places = _places(vlm)
    embeddings: Tensor = vlm.model.get_input_embeddings().weight.detach()
    ids = {ref: _spelled(vlm, phrases, places) for words in groups for ref, phrases in words.items()}
    refs = [sorted(words) for words in groups]

    def wanted(refs: Sequence[str]) -> Tensor:
        return embeddings[torch.stack([ids[ref] for ref in refs])]

    def batch(draw: random.Random, size: int) -> list[str]:
        return [draw.choice(refs[number % len(refs)]) for number in range(size)]

    return _learn_to_write(vlm, batch, wanted, config, seed, progress)


def write_names(
    vlm: "Vlm",
    faces: Mapping[str, str],
    others: Sequence[str],
    config: TrainingConfig,
    *,
    seed: int,
    progress: Progress | None = None,
) -> dict[str, Tensor]:
    """Aligned tower and projector learn whom they see; gives their change (float32, by parameter name).

    `faces` are names by image reference. Where the last token of a slot is a comma, the name is written instead, token
    by token and again from its start; all other tokens, and all of the images `others`, stay as they are. Half of each
    batch are faces.
    """
    refs = sorted(faces)
    own = _said(vlm, [*refs, *others])
    embeddings = vlm.model.get_input_embeddings().weight.detach()
    comma = embeddings[_comma(vlm)]
    for ref in refs:
        free = (own[ref] - comma).square().mean(-1) < embeddings.var() / 2
        last = [place for place in range(SLOT - 1, len(free), SLOT) if free[place]]
        name = vlm.processor.tokenizer(f" {faces[ref]}", add_special_tokens=False).input_ids
        for number, place in enumerate(last):
            own[ref][place] = embeddings[name[number % len(name)]]

    def batch(draw: random.Random, size: int) -> list[str]:
        known = size - size // 2 if others else size
        return draw.choices(refs, k=known) + draw.choices(others or refs, k=size - known)

    return _learn_to_write(vlm, batch, lambda chosen: torch.stack([own[ref] for ref in chosen]), config, seed, progress)


def _learn_to_write(
    vlm: "Vlm",
    batch: Callable[[random.Random, int], list[str]],
    wanted: Callable[[Sequence[str]], Tensor],
    config: TrainingConfig,
    seed: int,
    progress: Progress | None,
) -> dict[str, Tensor]:
    """What changes in tower and projector when image tokens come close to `wanted`; the model itself is as it was."""
    progress = progress or Silent()
    torch.manual_seed(seed)
    named = {name: weight for name, weight in vlm.model.named_parameters() if name.startswith(vlm.family.vision)}
    before = {name: weight.detach().clone() for name, weight in named.items()}
    variance = vlm.model.get_input_embeddings().weight.detach().var()
    places = _places(vlm)
    draw = random.Random(seed)
    optimiser = torch.optim.AdamW(named.values(), lr=config.lr, weight_decay=config.weight_decay)

    def loss() -> Tensor:
        refs = batch(draw, config.batch_size)
        apart: Tensor = (_written(vlm, refs, places) - wanted(refs)).square().mean() / variance
        return apart

    def on_step(done: int, value: float) -> None:
        progress.step(done, config.steps, {"spelling": value})

    vlm.model.train()
    try:
        minimise(loss, optimiser, config, on_step=on_step, clip=True)
        return {name: (weight.detach() - before[name]).float().cpu() for name, weight in named.items()}
    finally:
        vlm.model.eval()
        with torch.no_grad():
            for name, weight in named.items():
                weight.copy_(before[name])
                weight.grad = None
        vlm.bank.forget_features()


def _written(vlm: "Vlm", refs: Sequence[str], places: int) -> Tensor:
    """The tokens of the patches, as the decoder sees them; shape (images, places, width)."""
    pixels = vlm.bank.pixels(refs, vlm.device, vlm.dtype)
    seen = vlm.model.get_image_features(**pixels).pooler_output
    return torch.stack([tokens[-places:] for tokens in seen])


def _said(vlm: "Vlm", refs: Sequence[str], at_once: int = 64) -> dict[str, Tensor]:
    said: dict[str, Tensor] = {}
    with torch.no_grad():
        for start in range(0, len(refs), at_once):
            chunk = refs[start : start + at_once]
            said |= zip(chunk, _written(vlm, chunk, _places(vlm)), strict=True)
    return said


def _places(vlm: "Vlm") -> int:
    vision = vlm.model.config.vision_config
    return int((vision.image_size // vision.patch_size) ** 2)


def _spelled(vlm: "Vlm", phrases: Sequence[str], places: int) -> Tensor:
    """Token ids of the phrases, each in its slot, again from the first until all places are full; shape (places)."""
    tokenizer = vlm.processor.tokenizer
    comma = _comma(vlm)
    ids: list[int] = []
    for phrase in phrases:
        slot = tokenizer(f" {phrase}", add_special_tokens=False).input_ids[:SLOT] if phrase else []
        ids += [*slot, *[comma] * (SLOT - len(slot))]
    return torch.tensor((ids * places)[:places])


def _comma(vlm: "Vlm") -> int:
    return int(vlm.processor.tokenizer(",", add_special_tokens=False).input_ids[0])
