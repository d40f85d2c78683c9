"""Pictures made of other pictures, by reference: `altered:NAME=VALUE:REF` is REF, blurred say.

The reference is all there is to it: the same reference is the same picture, pixel for pixel, so whoever caches by
reference (features, prompts) keeps altered pictures apart without knowing of them. REF may be altered itself. Strengths
are shares of the picture, so that one value means the same at every size.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import quote, unquote

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from smllmun_bench.data.seeding import stable_generator
from smllmun_bench.errors import UserError

_PREFIX = "altered:"
_WRITTEN_WIDTH = 336  # pixels at least of a picture with words under it: what most towers look at
_LETTERS = 42  # of one line across it

Open = Callable[[str], Image.Image]


def blurred(ref: str, share: float) -> str:
    """Gaussian blur whose radius is `share` of the shorter side."""
    return _reference("blur", f"{share:g}", ref)


def cropped(ref: str, share: float) -> str:
    """The middle, `share` of width and height, at the size of the whole."""
    return _reference("crop", f"{share:g}", ref)


def noisy(ref: str, share: float) -> str:
    """Gaussian noise, its deviation `share` of the range of a channel."""
    return _reference("noise", f"{share:g}", ref)


def mirrored(ref: str) -> str:
    return _reference("mirror", "", ref)


def written_under(ref: str, text: str) -> str:
    """The picture with `text` in black on white below it."""
    return _reference("text", quote(text, safe=""), ref)


def beside(ref: str, others: Sequence[str], place: int) -> str:
    """A row of pictures at one height: `others`, and `ref` with `place` of them on its left."""
    return _reference("beside", ",".join([str(place), *(quote(other, safe="") for other in others)]), ref)


def is_altered(ref: str) -> bool:
    return ref.startswith(_PREFIX)


def altered(ref: str, open_image: Open) -> Image.Image:
    """The picture that an altered reference names; `open_image` opens what it is made of. Raises UserError."""
    how, colon, source = ref.removeprefix(_PREFIX).partition(":")
    name, equals, value = how.partition("=")
    if not colon or not equals or name not in _ALTERATIONS:
        raise UserError(f"there is no image {ref!r}", fix=f"{_PREFIX}NAME=VALUE:REF, NAME of {', '.join(_ALTERATIONS)}")
    try:
        return _ALTERATIONS[name](open_image(source), value, ref, open_image)
    except ValueError as error:
        raise UserError(f"the picture cannot be altered: {error}", where=repr(ref)) from error


def _reference(name: str, value: str, ref: str) -> str:
    return f"{_PREFIX}{name}={value}:{ref}"


def _blur(image: Image.Image, value: str, ref: str, open_image: Open) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(_share(value) * min(image.size)))


def _crop(image: Image.Image, value: str, ref: str, open_image: Open) -> Image.Image:
    share = _share(value)
    width, height = (max(1, round(share * side)) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height)).resize(image.size, Image.Resampling.BICUBIC)


def _noise(image: Image.Image, value: str, ref: str, open_image: Open) -> Image.Image:
    pixels = np.asarray(image.convert("RGB")).astype(np.float64)
    added = stable_generator("noise", ref).normal(0.0, 255 * _share(value), pixels.shape)
    return Image.fromarray(np.rint(np.clip(pixels + added, 0, 255)).astype(np.uint8))


def _mirror(image: Image.Image, value: str, ref: str, open_image: Open) -> Image.Image:
    return ImageOps.mirror(image)


def _text(image: Image.Image, value: str, ref: str, open_image: Open) -> Image.Image:
    width = max(image.width, _WRITTEN_WIDTH)
    above = image.convert("RGB").resize((width, round(image.height * width / image.width)), Image.Resampling.BICUBIC)
    size = max(8, round(1.9 * width / _LETTERS))
    lines = _wrapped(unquote(value), _LETTERS)
    margin = size // 2
    canvas = Image.new("RGB", (width, above.height + 2 * margin + round(1.3 * size * len(lines))), "white")
    canvas.paste(above, (0, 0))
    font = ImageFont.load_default(size)
    for number, line in enumerate(lines):
        at = (margin, above.height + margin + round(1.3 * size * number))
        ImageDraw.Draw(canvas).text(at, line, fill="black", font=font)
    return canvas


def _wrapped(text: str, letters: int) -> list[str]:
    from textwrap import wrap

    return wrap(text, letters) or [""]


def _beside(image: Image.Image, value: str, ref: str, open_image: Open) -> Image.Image:
    place, *others = value.split(",")
    row = [open_image(unquote(other)) for other in others]
    row.insert(int(place), image)
    height = image.height
    same = [one.convert("RGB").resize((max(1, round(one.width * height / one.height)), height)) for one in row]
    canvas = Image.new("RGB", (sum(one.width for one in same), height))
    at = 0
    for one in same:
        canvas.paste(one, (at, 0))
        at += one.width
    return canvas


def _share(value: str) -> float:
    share = float(value)
    if not 0 < share <= 1:
        raise ValueError(f"{value} is no share between 0 and 1")
    return share


_ALTERATIONS: Mapping[str, Callable[[Image.Image, str, str, Open], Image.Image]] = MappingProxyType(
    {"blur": _blur, "crop": _crop, "noise": _noise, "mirror": _mirror, "text": _text, "beside": _beside}
)
