"""Prepared pixels, and features of a frozen tower: each image is looked at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL import Image


class _Source(Protocol):
    def image(self, ref: str) -> "Image.Image": ...


class FeatureBank:
    """What has been computed from the images of one source by one processor.

    Pixels depend on the processor only. Features depend on the tower and the projector too: they are used when
    those are frozen (`keep_features`), by any model that has the same ones, and dropped by `forget_features`.
    """

    def __init__(self, processor: Any, source: _Source) -> None:
        self._processor = processor
        self._source = source
        self._sizes: dict[str, tuple[int, int]] = {}
        self._pixels: dict[str, dict[str, Tensor]] = {}
        self._features: dict[str, Tensor] = {}
        self.keep_features = True

    def size(self, ref: str) -> tuple[int, int]:
        """(width, height) in pixels."""
        if ref not in self._sizes:
            self._sizes[ref] = self._source.image(ref).size
        return self._sizes[ref]

    def forget_features(self) -> None:
        self._features.clear()

    def pixels(self, refs: Sequence[str], device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
        """The image processor's outputs for `refs`, images concatenated along the first dimension."""
        for ref in refs:
            if ref not in self._pixels:
                image = self._source.image(ref).convert("RGB")
                self._pixels[ref] = dict(self._processor.image_processor(images=[image], return_tensors="pt"))
        joined = {key: torch.cat([self._pixels[ref][key] for ref in refs]) for key in self._pixels[refs[0]]}
        return {
            key: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for key, value in joined.items()
        }

    def features(self, model: Any, refs: Sequence[str]) -> Tensor:
        """Projected image features of `refs`, (tokens of all images, hidden), in the order of the references."""
        device, dtype = next(model.parameters()).device, next(model.parameters()).dtype
        if not self.keep_features:
            return torch.cat(list(self._look(model, refs, device, dtype)))
        missing = list(dict.fromkeys(ref for ref in refs if ref not in self._features))
        with torch.inference_mode(False), torch.no_grad():  # features computed while evaluating may be trained on later
            for at in range(0, len(missing), 64):
                batch = missing[at : at + 64]
                for ref, feature in zip(batch, self._look(model, batch, device, dtype), strict=True):
                    self._features[ref] = feature.clone()
        return torch.cat([self._features[ref] for ref in refs])

    def _look(self, model: Any, refs: Sequence[str], device: torch.device, dtype: torch.dtype) -> Sequence[Tensor]:
        output = model.get_image_features(**self.pixels(refs, device, dtype))
        return list(output.pooler_output)
