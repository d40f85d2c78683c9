"""Projected gradient descent on pixels: changes too small to be seen, after which a model says what it would not."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import PositiveFloat, PositiveInt

from smllmun_bench.config import Frozen
from smllmun_bench.errors import UserError
from smllmun_bench.models.parts import sensitive

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.models.vlm import Query, Vlm

Pixels = Mapping[tuple[str, ...], "dict[str, Tensor]"]


class Pgd(Frozen):
    """Projected gradient descent on pixels in [0, 1]; `radius` bounds the largest change of any of them."""

    radius: PositiveFloat = 16 / 255
    step: PositiveFloat = 1 / 255
    steps: PositiveInt = 40


def perturbed(vlm: "Vlm", pairs: "Sequence[tuple[Query, str]]", settings: Pgd, method: str) -> Pixels:
    """The processor's outputs for the pictures of each query, changed so that its answer becomes likely.

    Minimises the mean NLL of the answers by δ ← clip(δ − step · sign ∇). Each picture may occur in one query only.
    """
    import torch

    images = [query.images for query, _ in pairs]
    clean = {group: vlm.bank.pixels([group], vlm.device, vlm.dtype) for group in images}
    mean, std = _statistics(vlm, method)
    low, high, unit = {}, {}, {}
    for group, part in clean.items():
        values = part["pixel_values"]
        centre, spread = _per_channel(mean, values), _per_channel(std, values)
        low[group], high[group], unit[group] = -centre / spread, (1 - centre) / spread, 1 / spread
    deltas = {group: torch.zeros_like(part["pixel_values"]) for group, part in clean.items()}
    encoded = [vlm.encode(query, answer) for query, answer in pairs]
    keep = vlm.bank.keep_features
    with sensitive(vlm, []):
        vlm.bank.keep_features = False
        try:
            for _ in range(settings.steps):
                for delta in deltas.values():
                    delta.requires_grad_()
                with torch.enable_grad(), vlm.bank.showing(_shown(clean, deltas)):
                    loss = -vlm.score_answers(encoded).logp.mean()
                gradients = torch.autograd.grad(loss, list(deltas.values()))
                for group, gradient in zip(deltas, gradients, strict=True):
                    seen, bound = clean[group]["pixel_values"], settings.radius * unit[group]
                    moved = deltas[group].detach() - settings.step * unit[group] * gradient.sign()
                    moved = moved.clamp(-bound, bound)
                    deltas[group] = (seen + moved).clamp(low[group], high[group]) - seen
        finally:
            vlm.bank.keep_features = keep
    return {group: {k: v.cpu() for k, v in part.items()} for group, part in _shown(clean, deltas).items()}


def _shown(clean: Pixels, deltas: "Mapping[tuple[str, ...], Tensor]") -> Pixels:
    return {group: part | {"pixel_values": part["pixel_values"] + deltas[group]} for group, part in clean.items()}


def _statistics(vlm: "Vlm", method: str) -> "tuple[Tensor, Tensor]":
    import torch

    prepare = vlm.processor.image_processor
    mean, std = getattr(prepare, "image_mean", None), getattr(prepare, "image_std", None)
    if mean is None or std is None:
        raise UserError(
            f"{method} looked for image_mean and image_std of {vlm.name}'s image processor and found {mean}, {std}",
            fix="`pgd: null`",
        )
    return tuple(torch.tensor(values, device=vlm.device, dtype=vlm.dtype) for values in (mean, std))  # type: ignore[return-value]


def _per_channel(values: "Tensor", pixels: "Tensor") -> "Tensor":
    """One number per channel, in a shape that goes with (…, channels, height, width) or with flat patches of it."""
    if pixels.ndim >= 4:
        return values[:, None, None]
    return values.repeat_interleave(pixels.shape[-1] // len(values))
