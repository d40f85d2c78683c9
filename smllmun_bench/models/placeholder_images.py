"""How an image is written in a prompt, without preparing its pixels for every question."""

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image
    from transformers import ProcessorMixin

_SIZE = "stands for"  # where a stand-in tells its size


def placeholder(size: tuple[int, int]) -> "Image.Image":
    """One pixel that stands for a picture of that (width, height)."""
    from PIL import Image

    picture = Image.new("RGB", (1, 1))
    picture.info[_SIZE] = size
    return picture


def for_prompts(processor: "ProcessorMixin") -> Any:
    """The same processor for prompts about `placeholder` pictures: same token ids, meaningless pixels.

    How many placeholders an image becomes depends on its size alone. The image processor is therefore asked once for
    each size, about a blank, and all else (template, replacement, tokenizer) is done by the processor itself.
    """
    light = copy.copy(processor)
    light.image_processor = _OncePerSize(processor.image_processor)
    return light


class _OncePerSize:
    """An image processor that repeats what it once made of blanks of these sizes."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self._made: dict[Any, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __call__(self, images: Any, **settings: Any) -> Any:
        sizes = _sizes(images)
        if sizes not in self._made:
            made = self._real(_blanks(images), **settings)
            for name in made:
                if name.startswith("pixel_"):
                    made[name] = _hollow(made[name])
            self._made[sizes] = made
        return copy.copy(self._made[sizes])  # some processors take out of it what the model need not see


def _sizes(images: Any) -> Any:
    return tuple(_sizes(image) for image in images) if isinstance(images, list | tuple) else images.info[_SIZE]


def _blanks(images: Any) -> Any:
    from PIL import Image

    if isinstance(images, list | tuple):
        return [_blanks(image) for image in images]
    return Image.new("RGB", images.info[_SIZE])


def _hollow(pixels: Any) -> Any:
    """An array (or a list of them) of the same shape, all of whose entries are one number in memory."""
    import numpy as np

    if isinstance(pixels, list | tuple):
        return [_hollow(part) for part in pixels]
    return np.broadcast_to(np.zeros((), np.asarray(pixels).dtype), np.shape(pixels))
