"""Prepared pixels, and features of a frozen tower: each image is looked at once."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from smllmun_bench.errors import UserError
from smllmun_bench.models.memory import device_of
from smllmun_bench.models.prefetch import Prefetcher

if TYPE_CHECKING:
    from PIL import Image

Images = tuple[str, ...]
Prepared = tuple[int, dict[str, Tensor]]
"""How many placeholders stand for images in a prompt, and what the processor makes of them."""

PREFETCHED = 32  # images that are prepared before they are needed
PIXELS_KEPT = 4 * 2**30  # bytes in main memory; what comes later is prepared each time
FEATURES_KEPT = 8 * 2**30  # bytes beside the model in main memory; on a card it is a quarter of what is free

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
        self._pixel_room, self._feature_room = PIXELS_KEPT, -1  # bytes; -1: not asked yet
        self._opening = Lock()  # readers of files need not be made for several threads
        self._prefetcher: Prefetcher[Images, Prepared] | None = None
        self.keep_features = True
        self.threads: int | None = None  # that prefetch images; None: some beside a card, none on the CPU

    def size(self, ref: str) -> tuple[int, int]:
        """(width, height) in pixels."""
        if ref not in self._sizes:
            self._sizes[ref] = self._open(ref).size
        return self._sizes[ref]

    def forget_features(self) -> None:
        self._features.clear()
        self._feature_room = -1

    @contextmanager
    def prefetching(self, device: torch.device) -> Iterator[Callable[[Iterable[Images]], None]]:
        """Gives a function that announces which images will be asked for, in this order; they are prepared in threads.

        On the CPU nothing is prefetched: there the model uses the cores itself.
        """
        threads = self.threads if self.threads is not None else _threads_beside(device)
        if not threads:
            yield lambda images: None
            return
        before = self._prefetcher
        with Prefetcher(self._prepare, workers=threads, room=PREFETCHED) as self._prefetcher:
            try:
                yield self._expect
            finally:
                self._prefetcher = before

    def _expect(self, images: Iterable[Images]) -> None:
        if self._prefetcher is not None:
            known = self._features if self.keep_features else {}
            wanted = (group for group in dict.fromkeys(images) if group)
            self._prefetcher.expect(group for group in wanted if group not in self._pixels and group not in known)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Features that are computed inside are kept inside: the tower is another one there."""
        before, self._features = (self._features, self._feature_room), {}
        try:
            yield
        finally:
            self._features, self._feature_room = before

    @contextmanager
    def showing(self, pixels: Mapping[Images, dict[str, Tensor]]) -> Iterator[None]:
        """Inside, these are what the processor makes of these images."""
        before, self._pixels = (self._pixels, self._pixel_room), {**self._pixels, **pixels}
        try:
            with self.apart():
                yield
        finally:
            self._pixels, self._pixel_room = before

    def pixels(self, images: Sequence[str | Images], device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
        """The processor's outputs for `images`, joined along the first dimension; shorter ones are padded with 0."""
        groups = [_group(entry) for entry in images]
        found = {group: self._pixels_of(group) for group in dict.fromkeys(groups)}
        joined = {key: _join([found[group][key] for group in groups]) for key in found[groups[0]]}
        return {
            key: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for key, value in joined.items()
        }

    def features(self, model: Any, images: Sequence[str | Images]) -> Tensor:
        """Projected features of `images`, (tokens of all images, hidden), in their order."""
        dtype = next(model.parameters()).dtype
        device = device_of(model)
        groups = [_group(entry) for entry in images]
        if not self.keep_features:
            return torch.cat(self._look(model, groups, device, dtype))
        found = {group: self._features[group] for group in groups if group in self._features}
        missing = list(dict.fromkeys(group for group in groups if group not in found))
        # What is computed while evaluating may be trained on later, and what is computed while products are rounded may
        # be asked about later.
        with torch.inference_mode(False), torch.no_grad(), torch.autocast(device.type, enabled=False):
            for at in range(0, len(missing), 64):
                batch = missing[at : at + 64]
                for group, looked in zip(batch, self._look(model, batch, device, dtype), strict=True):
                    found[group] = feature = looked.clone()
                    if self._feature_room < 0:
                        self._feature_room = _room_for_features(feature.device)
                    if feature.nbytes <= self._feature_room:
                        self._features[group] = feature
                        self._feature_room -= feature.nbytes
        return torch.cat([found[group] for group in groups])

    def _open(self, ref: str) -> "Image.Image":
        with self._opening:
            return self._source.image(ref)

    def _pixels_of(self, group: Images) -> dict[str, Tensor]:
        if group in self._pixels:
            return self._pixels[group]
        self._tokens[group], pixels = self._prepare(group) if self._prefetcher is None else self._prefetcher.take(group)
        size = sum(value.nbytes for value in pixels.values())
        if size <= self._pixel_room:
            self._pixels[group] = pixels
            self._pixel_room -= size
        return pixels

    def _prepare(self, group: Images) -> Prepared:
        """Through the processor as a whole, since it may crop and count otherwise than its image processor alone."""
        pictures = [self._open(ref).convert("RGB") for ref in group]
        text = self._processor.image_token * len(group)
        try:
            prepared = dict(self._processor(images=[pictures], text=[text], return_tensors="pt"))
        except ValueError as error:
            sizes = ", ".join(f"{picture.width} x {picture.height}" for picture in pictures)
            raise UserError(f"the model's processor refuses an image ({sizes}): {error}", where=str(group)) from error
        pixels = {key: value for key, value in prepared.items() if key not in _OF_TEXT and isinstance(value, Tensor)}
        return int((prepared["input_ids"] == self._image_token).sum()), pixels

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


def _threads_beside(device: torch.device) -> int:
    return 0 if device.type == "cpu" else min(8, max(1, (os.cpu_count() or 2) - 1))


def _room_for_features(device: torch.device) -> int:
    """Bytes that features may take; the model and a batch need the rest."""
    return int(torch.cuda.mem_get_info(device)[0] // 4) if device.type == "cuda" else FEATURES_KEPT


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
