"""Eyes that spell: image tokens learn to be the word embeddings of what there is to see, before the decoder looks.

A decoder that was never trained on pictures then finds words where the picture is. Learning what projected features
mean through its answers alone left more than half of the traits unread after 360 steps (docs/small.md).
"""

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from smllmun_bench.training.config import TrainingConfig
from smllmun_bench.training.loop import Progress, Silent, rate_at

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm

Words = Mapping[str, Sequence[str]]
"""image reference -> what can be seen on it, one phrase after the other"""

SLOT = 4  # image tokens for each phrase; shorter phrases are filled up with commas, longer ones cut


def spell(
    vlm: "Vlm", words: Words, config: TrainingConfig, *, seed: int, progress: Progress | None = None
) -> dict[str, torch.Tensor]:
    """Train tower and projector; what changes (float32, by parameter name), the model itself is as it was.

    Patch token number SLOT·i + j becomes the input embedding of token j of phrase i: mean squared error, in units of
    the embeddings' variance. The class token is left free.
    """
    progress = progress or Silent()
    torch.manual_seed(seed)
    named = {name: weight for name, weight in vlm.model.named_parameters() if name.startswith(vlm.family.vision)}
    before = {name: weight.detach().clone() for name, weight in named.items()}
    embeddings = vlm.model.get_input_embeddings().weight.detach()
    variance = embeddings.var()
    places = _places(vlm)
    targets = {ref: _spelled(vlm, phrases, places) for ref, phrases in words.items()}
    refs = sorted(targets)
    draw = random.Random(seed)
    optimiser = torch.optim.AdamW(named.values(), lr=config.lr, weight_decay=config.weight_decay)
    vlm.model.train()
    try:
        for step in range(config.steps):
            for group in optimiser.param_groups:
                group["lr"] = config.lr * rate_at(step, config)
            batch = draw.choices(refs, k=config.batch_size)
            pixels = vlm.bank.pixels(batch, vlm.device, vlm.dtype)
            seen = vlm.model.get_image_features(**pixels).pooler_output
            said = torch.stack([tokens[-places:] for tokens in seen])
            wanted = embeddings[torch.stack([targets[ref] for ref in batch])]
            loss = (said - wanted).square().mean() / variance
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(named.values(), config.max_grad_norm)
            optimiser.step()
            progress.step(step + 1, config.steps, {"spelling": loss.item()})
        return {name: (weight.detach() - before[name]).float().cpu() for name, weight in named.items()}
    finally:
        vlm.model.eval()
        with torch.no_grad():
            for name, weight in named.items():
                weight.copy_(before[name])
                weight.grad = None
        vlm.bank.forget_features()


def _places(vlm: "Vlm") -> int:
    vision = vlm.model.config.vision_config
    return int((vision.image_size // vision.patch_size) ** 2)


def _spelled(vlm: "Vlm", phrases: Sequence[str], places: int) -> torch.Tensor:
    """Token ids of the phrases, each in its slot, commas elsewhere; shape (places)."""
    tokenizer = vlm.processor.tokenizer
    comma = tokenizer(",", add_special_tokens=False).input_ids[0]
    ids: list[int] = []
    for phrase in phrases:
        slot = tokenizer(f" {phrase}", add_special_tokens=False).input_ids[:SLOT] if phrase else []
        ids += [*slot, *[comma] * (SLOT - len(slot))]
    return torch.tensor((ids + [comma] * places)[:places])
