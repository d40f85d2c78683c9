"""Prepared pixels, and features of a frozen tower: each image is looked at once."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from smllmun_bench.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

Images = tuple[str, ...]

_OF_TEXT = frozenset(
    {"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "cross_attention_mask", "labels"}
)


class _Source(Protocol):
    def image(self, ref: str) -> "Image.Image": ...


class FeatureBank:
    """What has been computed from the images of one source by one processor.

    Pixels depend on the processor only. Features depend on the tower and the projector too: they are used when
    those are frozen (`keep_features`), by any model that has the same ones, and dropped by `forget_features`.

    Images are asked for by reference, or by the references of one question: some families look at several images of
    one question in another way than at a single one.
    """

    def __init__(self, processor: Any, source: _Source, image_token: int) -> None:
        self._processor = processor
        self._image_token = image_token
        self._source = source
        self._sizes: dict[str, tuple[int, int]] = {}
        self._pixels: dict[Images, dict[str, Tensor]] = {}
        self._tokens: dict[Images, int] = {}  # how many placeholders stand for them in a prompt
        self._features: dict[Images, Tensor] = {}
        self.keep_features = True

    def size(self, ref: str) -> tuple[int, int]:
        """(width, height) in pixels."""
        if ref not in self._sizes:
            self._sizes[ref] = self._source.image(ref).size
        return self._sizes[ref]

    def forget_features(self) -> None:
        self._features.clear()

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Features that are computed inside are kept inside: the tower is another one there."""
        before, self._features = self._features, {}
        try:
            yield
        finally:
            self._features = before

    @contextmanager
    def showing(self, pixels: Mapping[Images, dict[str, Tensor]]) -> Iterator[None]:
        """Inside, these are what the processor makes of these images."""
        before, self._pixels = self._pixels, {**self._pixels, **pixels}
        try:
            with self.apart():
                yield
        finally:
            self._pixels = before

    def pixels(self, images: Sequence[str | Images], device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
        """The processor's outputs for `images`, joined along the first dimension; shorter ones are padded with 0."""
        groups = [_group(entry) for entry in images]
        for group in groups:
            if group not in self._pixels:
                self._prepare(group)
        joined = {key: _join([self._pixels[group][key] for group in groups]) for key in self._pixels[groups[0]]}
        return {
            key: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for key, value in joined.items()
        }

    def features(self, model: Any, images: Sequence[str | Images]) -> Tensor:
        """Projected features of `images`, (tokens of all images, hidden), in their order."""
        device, dtype = next(model.parameters()).device, next(model.parameters()).dtype
        groups = [_group(entry) for entry in images]
        if not self.keep_features:
            return torch.cat(self._look(model, groups, device, dtype))
        missing = list(dict.fromkeys(group for group in groups if group not in self._features))
        with torch.inference_mode(False), torch.no_grad():  # features computed while evaluating may be trained on later
            for at in range(0, len(missing), 64):
                batch = missing[at : at + 64]
                for group, feature in zip(batch, self._look(model, batch, device, dtype), strict=True):
                    self._features[group] = feature.clone()
        return torch.cat([self._features[group] for group in groups])

    def _prepare(self, group: Images) -> None:
        """Through the processor as a whole, since it may crop and count otherwise than its image processor alone."""
        pictures = [self._source.image(ref).convert("RGB") for ref in group]
        text = self._processor.image_token * len(group)
        with warnings.catch_warnings():  # PaliGemma's processor makes labels in a way that numpy 2 frowns at
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            prepared = dict(self._processor(images=[pictures], text=[text], return_tensors="pt"))
        self._tokens[group] = int((prepared["input_ids"] == self._image_token).sum())
        self._pixels[group] = {
            key: value for key, value in prepared.items() if key not in _OF_TEXT and isinstance(value, Tensor)
        }

    def _look(self, model: Any, groups: Sequence[Images], device: torch.device, dtype: torch.dtype) -> list[Tensor]:
        found = model.get_image_features(**self.pixels(groups, device, dtype)).pooler_output
        parts = list(found) if isinstance(found, list | tuple) else [found]
        flat = torch.cat([part.reshape(-1, part.shape[-1]) for part in parts])
        counts = [self._tokens[group] for group in groups]
        if sum(counts) != len(flat):
            raise UserError(
                f"the prompts hold {sum(counts)} image tokens, the tower gives {len(flat)} features",
                fix="processor and model from one folder: patch size, image size and feature selection must agree",
            )
        return list(torch.split(flat, counts))


def _group(entry: str | Images) -> Images:
    return (entry,) if isinstance(entry, str) else entry


def _join(parts: Sequence[Tensor]) -> Tensor:
    """Along the first dimension, the others padded with 0 to the longest: images in more tiles or of another shape."""
    shape = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
    if all(list(part.shape[1:]) == shape for part in parts):
        return torch.cat(list(parts))
    joined = parts[0].new_zeros((sum(len(part) for part in parts), *shape))
    at = 0
    for part in parts:
        joined[(slice(at, at + len(part)), *(slice(size) for size in part.shape[1:]))] = part
        at += len(part)
    return joined
