"""Stored pictures as RGB pixels: upright as the EXIF tag says, all grey levels kept, what is transparent on white."""

import io
import struct

from PIL import ExifTags, Image, UnidentifiedImageError

from smllmun_bench.errors import UserError

LARGEST_FILE = 32 * 2**20  # bytes of one stored image
LARGEST_SIDE = 8192  # pixels
_BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error,
    Image.DecompressionBombError,
)  # fmt: skip

_TURNS = {  # what makes a picture upright, by the value of its EXIF tag Orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes, where: str) -> Image.Image:
    """The RGB image in these bytes. Raises UserError if it is too large, broken, or of grey levels without a scale."""
    if not data:
        raise UserError("the image is missing: no bytes are stored", where=where)
    if len(data) > LARGEST_FILE:
        raise UserError(f"the image file has {len(data)} bytes, more than {LARGEST_FILE}", where=where)
    try:
        image = Image.open(io.BytesIO(data))
        if max(image.size) > LARGEST_SIDE:
            raise UserError(
                f"the image is {image.width} x {image.height}, more than {LARGEST_SIDE} wide or high", where=where
            )
        return _upright(_rgb(image, where), image)
    except UnidentifiedImageError as error:
        raise UserError("the image is broken: of no format that is known", where=where) from error
    except _BROKEN as error:
        raise UserError(f"the image is broken: {error}", where=where) from error


def _rgb(image: Image.Image, where: str) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled(image, where).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        seen = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, seen).convert("RGB")
    return image.convert("RGB")


def _scaled(image: Image.Image, where: str) -> Image.Image:
    """Grey levels of 16 bits, 32 bits or floating ones as 8 bits. Converting as Pillow does would clip them."""
    import numpy as np

    levels = np.asarray(image).astype(np.float64)
    low, high = float(levels.min()), float(levels.max())
    if low >= 0 and image.mode.startswith("I;16"):
        largest = 65535.0
    elif low >= 0 and image.mode == "I":  # as many bits as it takes: nothing says how many were meant
        largest = 2.0 ** max(8, int(high).bit_length()) - 1
    elif low >= 0 and high <= 255:
        largest = 1.0 if high <= 1 else 255.0
    else:
        raise UserError(
            f"grey levels from {low:g} to {high:g} have no scale that is known",
            where=where,
            fix="8 or 16 bits, or floating levels from 0 to 1",
        )
    return Image.fromarray(np.rint(levels * (255 / largest)).astype(np.uint8))


def _upright(pixels: Image.Image, stored: Image.Image) -> Image.Image:
    """Turned as the camera said; a tag that cannot be read says nothing."""
    try:
        turn = _TURNS.get(stored.getexif().get(ExifTags.Base.Orientation, 1))
    except _BROKEN:
        return pixels
    return pixels if turn is None else pixels.transpose(turn)
