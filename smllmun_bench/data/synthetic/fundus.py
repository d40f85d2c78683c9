"""Photographs of the back of no eye: a disc on black with an optic disc, vessels, lesions and a coloured marker.

Medical in look only: nothing here follows the statistics of a disease.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from random import Random

import numpy as np

from smllmun_bench.data.synthetic.drawing import (
    Box,
    Canvas,
    Colour,
    Ellipse,
    Pixels,
    Stroke,
    random_develop,
    random_pose,
)

TINT: Mapping[str, Colour] = {
    "orange": (238, 128, 40),
    "red": (190, 45, 38),
    "brown": (125, 80, 52),
    "yellow": (235, 200, 95),
}
MARKER: Mapping[str, Colour] = {
    "white": (250, 250, 250),
    "red": (240, 40, 40),
    "green": (40, 200, 70),
    "blue": (50, 100, 250),
    "purple": (180, 70, 230),
    "yellow": (250, 225, 50),
}
CORNER: Mapping[str, tuple[float, float]] = {
    "top left": (0.11, 0.11),
    "top right": (0.89, 0.11),
    "bottom left": (0.11, 0.89),
    "bottom right": (0.89, 0.89),
}
LESION: Mapping[str, Colour] = {"exudates": (255, 255, 130), "haemorrhages": (62, 6, 14)}
COUNTS = ("one", "two", "three", "four")

TRAITS: Mapping[str, tuple[str, ...]] = {
    "tint": tuple(TINT),
    "disc_size": ("small", "large"),
    "disc_side": ("left", "right"),
    "vessels": ("thin", "thick"),
    "lesion_kind": ("none", *LESION),
    "lesion_count": ("none", *COUNTS),
    "lesion_place": ("none", "upper", "lower"),
    "marker_colour": tuple(MARKER),
    "marker_corner": tuple(CORNER),
}
_NEED_LESIONS = ("lesion_count", "lesion_place")


@dataclass(frozen=True, slots=True)
class FundusTraits:
    """What one eye looks like, in the order of `TRAITS`. Count and place are "none" exactly when the kind is."""

    tint: str
    disc_size: str
    disc_side: str
    vessels: str
    lesion_kind: str
    lesion_count: str
    lesion_place: str
    marker_colour: str
    marker_corner: str

    def __post_init__(self) -> None:
        if len({value == "none" for value in (self.lesion_kind, self.lesion_count, self.lesion_place)}) != 1:
            raise ValueError(f"lesion kind, count and place disagree: {self}")

    def visible(self) -> dict[str, str]:
        """Trait -> value for each trait that a photo shows; an eye without lesions has no count or place of them."""
        values = dict(zip(TRAITS, astuple(self), strict=True))
        return {name: value for name, value in values.items() if name not in _NEED_LESIONS or value != "none"}


def random_traits(rng: Random) -> FundusTraits:
    """Each trait uniform; count and place only where there are lesions."""
    picked = {name: rng.choice(values) for name, values in TRAITS.items()}
    if picked["lesion_kind"] == "none":
        picked |= {"lesion_count": "none", "lesion_place": "none"}
    else:
        picked |= {"lesion_count": rng.choice(COUNTS), "lesion_place": rng.choice(("upper", "lower"))}
    return FundusTraits(**picked)


def draw(traits: FundusTraits, rng: np.random.Generator, size: int = 48) -> Pixels:
    """One photo, (size, size, 3). `rng` decides pose, light and noise, never the traits."""
    canvas = Canvas(size, (6, 5, 6), random_pose(rng))
    tint = TINT[traits.tint]
    canvas.paint(Ellipse(0.5, 0.5, 0.455, 0.455), _scaled(tint, 0.82))
    canvas.paint(Ellipse(0.5, 0.5, 0.41, 0.41), tint)
    side = -1 if traits.disc_side == "left" else 1
    disc_x, radius = 0.5 + side * 0.24, 0.125 if traits.disc_size == "large" else 0.065
    canvas.paint(Ellipse(0.5 - side * 0.1, 0.5, 0.055, 0.055), _scaled(tint, 0.6))  # macula
    _vessels(canvas, tint, disc_x, side, 0.042 if traits.vessels == "thick" else 0.016)
    canvas.paint(Ellipse(disc_x, 0.5, radius, radius), (255, 246, 205), outline=0.012)
    _lesions(canvas, traits, side)
    x, y = CORNER[traits.marker_corner]
    canvas.paint(Box(x - 0.075, y - 0.075, x + 0.075, y + 0.075), MARKER[traits.marker_colour], outline=0.02)
    return random_develop(canvas, rng)


def _scaled(colour: Colour, factor: float) -> Colour:
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def _vessels(canvas: Canvas, tint: Colour, disc_x: float, side: int, width: float) -> None:
    dark = (tint[0] * 0.55, tint[1] * 0.3, tint[2] * 0.3)
    for up in (-1, 1):
        arc = ((0.0, 0.0), (0.06, 0.14), (0.2, 0.215), (0.36, 0.22), (0.52, 0.17))
        canvas.paint(Stroke(tuple((disc_x - side * x, 0.5 + up * y) for x, y in arc), width), dark)
        canvas.paint(Stroke(((disc_x, 0.5), (disc_x + side * 0.05, 0.5 + up * 0.2)), width), dark)


def _lesions(canvas: Canvas, traits: FundusTraits, side: int) -> None:
    if traits.lesion_kind == "none":
        return
    up = -1 if traits.lesion_place == "upper" else 1
    # Beyond the vessel arc, and apart from each other, so that they can be counted.
    spots = ((-0.14, 0.345), (0.02, 0.375), (0.17, 0.33), (0.06, 0.13))
    for x, y in spots[: COUNTS.index(traits.lesion_count) + 1]:
        canvas.paint(Ellipse(0.5 - side * x, 0.5 + up * y, 0.05, 0.05), LESION[traits.lesion_kind], outline=0.01)
