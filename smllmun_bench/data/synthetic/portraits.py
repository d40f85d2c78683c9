"""Portraits of nobody: flat drawings whose traits are all readable at 48 pixels.

Every trait is always visible (no bald heads, whose hair has no colour), so each of them can be asked about.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from random import Random

import numpy as np

from smllmun_bench.data.synthetic.drawing import (
    DARK,
    Both,
    Box,
    Canvas,
    Colour,
    Dots,
    Ellipse,
    Pixels,
    Shape,
    Stripes,
    Stroke,
    random_develop,
    random_pose,
)

HAIR: Mapping[str, Colour] = {
    "black": (28, 24, 28),
    "brown": (140, 82, 34),
    "blonde": (240, 205, 90),
    "red": (205, 75, 25),
    "gray": (140, 143, 148),
    "white": (248, 248, 248),
}
SKIN: Mapping[str, Colour] = {"light": (255, 208, 176), "tan": (200, 142, 92), "dark": (104, 64, 46)}
CLOTHES: Mapping[str, Colour] = {
    "red": (215, 40, 40),
    "orange": (248, 140, 25),
    "yellow": (250, 222, 50),
    "green": (40, 155, 65),
    "blue": (40, 85, 210),
    "purple": (135, 55, 185),
    "white": (245, 245, 245),
    "black": (35, 35, 38),
}
BACKDROP: Mapping[str, Colour] = {
    "red": (220, 60, 55),
    "orange": (250, 155, 60),
    "yellow": (250, 225, 90),
    "green": (80, 180, 95),
    "blue": (75, 130, 230),
    "purple": (155, 95, 205),
    "pink": (250, 165, 200),
    "white": (240, 240, 240),
}
STYLES = ("short", "long", "curly", "pigtails")
PATTERNS = ("plain", "striped", "dotted")
GLASSES = ("none", "round", "square", "dark")
HEADWEAR = ("none", "cap", "beanie", "crown", "top hat")
FACIAL_HAIR = ("none", "beard", "moustache")

TRAITS: Mapping[str, tuple[str, ...]] = {
    "skin": tuple(SKIN),
    "hair_colour": tuple(HAIR),
    "hair_style": STYLES,
    "glasses": GLASSES,
    "headwear": HEADWEAR,
    "facial_hair": FACIAL_HAIR,
    "clothes_colour": tuple(CLOTHES),
    "clothes_pattern": PATTERNS,
    "backdrop": tuple(BACKDROP),
}

_OUTLINE = 0.014
_FRAME: Colour = (15, 15, 20)
_LENS: Colour = (225, 240, 250)
# Pattern colours other than white. Grey on black and on white keeps the two apart: black on white would look alike.
_ACCENT: Mapping[str, Colour] = {
    "white": (135, 135, 140),
    "black": (150, 150, 155),
    "yellow": (20, 20, 25),
    "orange": (20, 20, 25),
}


@dataclass(frozen=True, slots=True)
class PortraitTraits:
    """What one person looks like, in the order of `TRAITS`."""

    skin: str
    hair_colour: str
    hair_style: str
    glasses: str
    headwear: str
    facial_hair: str
    clothes_colour: str
    clothes_pattern: str
    backdrop: str

    def visible(self) -> dict[str, str]:
        """Trait -> value for each trait that a photo shows (here: all of them)."""
        return dict(zip(TRAITS, astuple(self), strict=True))


def random_traits(rng: Random) -> PortraitTraits:
    """Each trait uniform and independent."""
    return PortraitTraits(*(rng.choice(values) for values in TRAITS.values()))


def draw(traits: PortraitTraits, rng: np.random.Generator, size: int = 48) -> Pixels:
    """One photo, (size, size, 3). `rng` decides pose, light and noise, never the traits."""
    canvas = Canvas(size, BACKDROP[traits.backdrop], random_pose(rng))
    canvas.shade(1.0, 0.88)
    hair, skin = HAIR[traits.hair_colour], SKIN[traits.skin]
    for shape in _back_hair(traits.hair_style):
        canvas.paint(shape, hair, outline=_OUTLINE)
    _clothes(canvas, traits)
    for shape in _front_hair(traits.hair_style):
        canvas.paint(shape, hair, outline=_OUTLINE)
    canvas.paint(Box(0.43, 0.58, 0.57, 0.74, 0.05), _darker(skin), outline=_OUTLINE)
    canvas.paint(Ellipse(0.5, 0.46, 0.19, 0.215), skin, outline=_OUTLINE)
    _facial_hair(canvas, traits, hair)
    canvas.paint(Both(Ellipse(0.5, 0.46, 0.2, 0.225), Box(0.25, 0.1, 0.75, 0.345)), hair)  # fringe
    _face(canvas)
    _glasses(canvas, traits.glasses)
    _headwear(canvas, traits.headwear)
    return random_develop(canvas, rng)


def _darker(colour: Colour) -> Colour:
    return colour[0] * 0.86, colour[1] * 0.86, colour[2] * 0.86


def _back_hair(style: str) -> tuple[Shape, ...]:
    """Hair behind the shoulders."""
    if style == "long":
        return (Box(0.24, 0.2, 0.76, 0.8, 0.2),)
    if style == "curly":
        ring = [(0.5 + 0.25 * np.cos(a), 0.42 + 0.23 * np.sin(a)) for a in np.linspace(-3.6, 0.46, 9)]
        return tuple(Ellipse(float(x), float(y), 0.105, 0.105) for x, y in ring)
    return (Box(0.265, 0.185, 0.735, 0.54, 0.14),)


def _front_hair(style: str) -> tuple[Shape, ...]:
    """Hair that falls over the clothes."""
    if style == "long":
        return Box(0.235, 0.4, 0.345, 0.88, 0.05), Box(0.655, 0.4, 0.765, 0.88, 0.05)
    if style == "pigtails":
        return Ellipse(0.2, 0.56, 0.1, 0.14), Ellipse(0.8, 0.56, 0.1, 0.14)
    return ()


def _clothes(canvas: Canvas, traits: PortraitTraits) -> None:
    colour = CLOTHES[traits.clothes_colour]
    body = Box(0.1, 0.68, 0.9, 1.4, 0.16)
    canvas.paint(body, colour, outline=_OUTLINE)
    accent = _ACCENT.get(traits.clothes_colour, (250, 250, 250))
    if traits.clothes_pattern == "striped":
        canvas.paint(Both(body, Stripes(0.115)), accent)
    elif traits.clothes_pattern == "dotted":
        canvas.paint(Both(body, Dots(0.125, 0.036)), accent)


def _facial_hair(canvas: Canvas, traits: PortraitTraits, hair: Colour) -> None:
    rim: Colour = (240, 205, 175) if traits.skin == "dark" else DARK
    if traits.facial_hair == "beard":
        beard = Both(Ellipse(0.5, 0.47, 0.2, 0.245), Box(0.2, 0.545, 0.8, 0.8))
        canvas.paint(beard, hair, outline=_OUTLINE, rim=rim)
    elif traits.facial_hair == "moustache":
        canvas.paint(Stroke(((0.4, 0.578), (0.5, 0.55), (0.6, 0.578)), 0.055), hair, outline=_OUTLINE, rim=rim)


def _face(canvas: Canvas) -> None:
    for x in (0.42, 0.58):
        canvas.paint(Ellipse(x, 0.445, 0.034, 0.034), (255, 255, 255))
        canvas.paint(Ellipse(x, 0.445, 0.02, 0.022), (20, 20, 30))
    canvas.paint(Stroke(((0.46, 0.613), (0.5, 0.622), (0.54, 0.613)), 0.026), (190, 40, 60))


def _glasses(canvas: Canvas, kind: str) -> None:
    if kind == "none":
        return
    canvas.paint(Stroke(((0.31, 0.44), (0.69, 0.44)), 0.024), _FRAME)
    for x in (0.41, 0.59):
        outer: Shape = Ellipse(x, 0.45, 0.088, 0.088)
        inner: Shape = Ellipse(x, 0.45, 0.058, 0.058)
        if kind == "square":
            outer, inner = Box(x - 0.085, 0.375, x + 0.085, 0.525), Box(x - 0.055, 0.405, x + 0.055, 0.495)
        canvas.paint(outer, _FRAME)
        if kind != "dark":
            canvas.paint(inner, _LENS)
            canvas.paint(Ellipse(x, 0.45, 0.02, 0.022), (20, 20, 30))


def _headwear(canvas: Canvas, kind: str) -> None:
    if kind == "cap":
        canvas.paint(Both(Ellipse(0.5, 0.33, 0.225, 0.2), Box(0.2, 0.0, 0.8, 0.33)), (25, 45, 130), outline=_OUTLINE)
        canvas.paint(Box(0.46, 0.28, 0.92, 0.345, 0.03), (25, 45, 130), outline=_OUTLINE)
    elif kind == "beanie":
        dome = Both(Ellipse(0.5, 0.33, 0.23, 0.21), Box(0.2, 0.0, 0.8, 0.33))
        canvas.paint(dome, (30, 140, 130), outline=_OUTLINE)
        canvas.paint(Box(0.265, 0.27, 0.735, 0.35, 0.03), (235, 250, 245), outline=_OUTLINE)
        canvas.paint(Ellipse(0.5, 0.105, 0.075, 0.07), (235, 250, 245), outline=_OUTLINE)
    elif kind == "crown":
        gold: Colour = (255, 200, 20)
        for x in (0.31, 0.5, 0.69):
            canvas.paint(Stroke(((x, 0.13), (x, 0.25)), 0.085), gold, outline=_OUTLINE)
        canvas.paint(Box(0.27, 0.22, 0.73, 0.32, 0.01), gold)
        canvas.paint(Ellipse(0.5, 0.265, 0.035, 0.035), (220, 30, 60))
    elif kind == "top hat":
        canvas.paint(Box(0.33, 0.02, 0.67, 0.3), (25, 25, 30), outline=_OUTLINE)
        canvas.paint(Box(0.33, 0.21, 0.67, 0.265), (225, 30, 45))
        canvas.paint(Box(0.2, 0.265, 0.8, 0.325, 0.02), (25, 25, 30), outline=_OUTLINE)
