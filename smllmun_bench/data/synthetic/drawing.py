"""A small anti-aliased rasteriser: shapes as signed distances, painted on a supersampled canvas.

Knows geometry and colour, not what is drawn. Coordinates are those of the unit square, origin at the top left, y
down; a `Pose` moves all of them. Own code rather than an imaging library, whose next version might draw other pixels.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.floating[Any]]  # float32 throughout, which numpy's annotations cannot follow
Pixels = NDArray[np.uint8]
Colour = tuple[float, float, float]
Bounds = tuple[float, float, float, float]

SUPERSAMPLE = 2
DARK: Colour = (30, 26, 30)


def _length(x: Grid, y: Grid) -> Grid:
    length: Grid = np.sqrt(x * x + y * y)  # np.hypot guards against overflow and is several times slower
    return length


class Shape(Protocol):
    def bounds(self) -> Bounds:
        """(left, top, right, bottom) of a box that holds the shape."""
        ...

    def distance(self, x: Grid, y: Grid) -> Grid:
        """How far each point lies outside (> 0) or inside (< 0) the edge."""
        ...


@dataclass(frozen=True)
class Pose:
    """A photo's stance: rotation (radians) and scale about the centre, then a shift in canvas widths."""

    dx: float = 0.0
    dy: float = 0.0
    angle: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Ellipse:
    cx: float
    cy: float
    rx: float
    ry: float

    def bounds(self) -> Bounds:
        return self.cx - self.rx, self.cy - self.ry, self.cx + self.rx, self.cy + self.ry

    def distance(self, x: Grid, y: Grid) -> Grid:
        ex, ey = (x - self.cx) / self.rx, (y - self.cy) / self.ry
        return (_length(ex, ey) - 1) * min(self.rx, self.ry)  # exact for circles, close at the edge else


@dataclass(frozen=True)
class Box:
    """A rectangle whose corners are rounded by `r`."""

    left: float
    top: float
    right: float
    bottom: float
    r: float = 0.0

    def bounds(self) -> Bounds:
        return self.left, self.top, self.right, self.bottom

    def distance(self, x: Grid, y: Grid) -> Grid:
        qx = np.abs(x - (self.left + self.right) / 2) - ((self.right - self.left) / 2 - self.r)
        qy = np.abs(y - (self.top + self.bottom) / 2) - ((self.bottom - self.top) / 2 - self.r)
        outside = _length(np.maximum(qx, 0), np.maximum(qy, 0))
        distance: Grid = outside + np.minimum(np.maximum(qx, qy), 0) - np.float32(self.r)
        return distance


@dataclass(frozen=True)
class Stroke:
    """A line through `points` with round ends."""

    points: tuple[tuple[float, float], ...]
    width: float

    def bounds(self) -> Bounds:
        xs, ys = zip(*self.points, strict=True)
        half = self.width / 2
        return min(xs) - half, min(ys) - half, max(xs) + half, max(ys) + half

    def distance(self, x: Grid, y: Grid) -> Grid:
        best = np.full_like(x, np.inf)
        for (ax, ay), (bx, by) in zip(self.points, self.points[1:], strict=False):
            vx, vy = bx - ax, by - ay
            t = np.clip(((x - ax) * vx + (y - ay) * vy) / max(vx * vx + vy * vy, 1e-12), 0, 1)
            np.minimum(best, _length(x - ax - t * vx, y - ay - t * vy), out=best)
        return best - np.float32(self.width / 2)


@dataclass(frozen=True)
class Both:
    """Where `first` and `second` overlap."""

    first: Shape
    second: Shape

    def bounds(self) -> Bounds:
        a, b = self.first.bounds(), self.second.bounds()
        return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])

    def distance(self, x: Grid, y: Grid) -> Grid:
        return np.maximum(self.first.distance(x, y), self.second.distance(x, y))


@dataclass(frozen=True)
class Stripes:
    """Horizontal bars of the plane, half as thick as their period."""

    period: float

    def bounds(self) -> Bounds:
        return -9.0, -9.0, 9.0, 9.0

    def distance(self, x: Grid, y: Grid) -> Grid:
        return np.abs(np.mod(y, self.period) - self.period / 2) - np.float32(self.period / 4)


@dataclass(frozen=True)
class Dots:
    """A square lattice of discs."""

    period: float
    radius: float

    def bounds(self) -> Bounds:
        return -9.0, -9.0, 9.0, 9.0

    def distance(self, x: Grid, y: Grid) -> Grid:
        half = self.period / 2
        return _length(np.mod(x, self.period) - half, np.mod(y, self.period) - half) - np.float32(self.radius)


class Canvas:
    """Paint, then `develop` into a photo of `size` x `size` pixels. Colours are RGB in 0..255."""

    def __init__(self, size: int, background: Colour, pose: Pose | None = None) -> None:
        self._size, self._side = size, size * SUPERSAMPLE
        self._pose = pose or Pose()
        self._rgb = np.empty((self._side, self._side, 3), np.float32)
        self._rgb[:] = background
        centres = (np.arange(self._side, dtype=np.float32) + 0.5) / self._side
        px, py = centres[None, :] - 0.5 - self._pose.dx, centres[:, None] - 0.5 - self._pose.dy
        self._cos, self._sin = float(np.cos(self._pose.angle)), float(np.sin(self._pose.angle))
        self._x = ((self._cos * px + self._sin * py) / self._pose.scale + 0.5).astype(np.float32)
        self._y = ((-self._sin * px + self._cos * py) / self._pose.scale + 0.5).astype(np.float32)

    def shade(self, top: float, bottom: float) -> None:
        """Multiply what is painted by a vertical gradient of light."""
        self._rgb *= np.linspace(top, bottom, self._side, dtype=np.float32)[:, None, None]

    def paint(self, shape: Shape, colour: Colour, *, outline: float = 0.0, rim: Colour = DARK) -> None:
        """Fill `shape`. An `outline` (a width) first draws a `rim` around it, so that it stands out anywhere."""
        rows, columns = self._window(shape.bounds(), outline)
        target = self._rgb[rows, columns]
        if target.size == 0:
            return
        distance = shape.distance(self._x[rows, columns], self._y[rows, columns]) * np.float32(
            self._side * self._pose.scale
        )
        if outline:
            self._blend(target, distance - np.float32(outline * self._side), rim)
        self._blend(target, distance, colour)

    def develop(self, rng: np.random.Generator, *, light: float, tint: Colour, noise: float) -> Pixels:
        """The photo: averaged down, lit (`light` x `tint` per channel), with sensor noise (sd in grey levels)."""
        steps = range(SUPERSAMPLE)
        rgb = sum(self._rgb[row::SUPERSAMPLE, column::SUPERSAMPLE] for row in steps for column in steps)
        rgb = rgb * (np.asarray(tint, np.float32) * np.float32(light / SUPERSAMPLE**2))
        rgb += rng.standard_normal(rgb.shape, dtype=np.float32) * np.float32(noise)
        pixels: Pixels = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
        return pixels

    @staticmethod
    def _blend(target: Grid, distance: Grid, colour: Colour) -> None:
        coverage = np.minimum(np.maximum(np.float32(0.5) - distance, 0), 1)
        change = np.asarray(colour, np.float32) - target
        change *= coverage[:, :, None]
        target += change

    def _window(self, bounds: Bounds, margin: float) -> tuple[slice, slice]:
        """The rows and columns of the canvas that can be touched by something inside `bounds`."""
        left, top, right, bottom = bounds
        cos, sin, scale = self._cos, self._sin, self._pose.scale
        x, y = (left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5
        half_x, half_y = (right - left) / 2, (bottom - top) / 2
        pad = margin + 1.5 / self._side
        columns = self._span(
            (cos * x - sin * y) * scale + 0.5 + self._pose.dx, (cos * half_x + abs(sin) * half_y) * scale + pad
        )
        rows = self._span(
            (sin * x + cos * y) * scale + 0.5 + self._pose.dy, (abs(sin) * half_x + cos * half_y) * scale + pad
        )
        return rows, columns

    def _span(self, centre: float, half: float) -> slice:
        low, high = min(max(centre - half, 0.0), 1.0), min(max(centre + half, 0.0), 1.0)
        return slice(int(low * self._side), math.ceil(high * self._side))


def random_pose(rng: np.random.Generator) -> Pose:
    """A hand-held camera: up to 3 % shift, 6 degrees of tilt, 6 % of scale."""
    dx, dy, angle, scale = rng.uniform(-1, 1, 4)
    return Pose(dx=0.03 * dx, dy=0.03 * dy, angle=0.105 * angle, scale=1 + 0.06 * scale)


def random_develop(canvas: Canvas, rng: np.random.Generator) -> Pixels:
    """Light 12 % up or down, white balance 4 % per channel, noise of 5 grey levels."""
    light, r, g, b = rng.uniform(-1, 1, 4)
    return canvas.develop(rng, light=1 + 0.12 * light, tint=(1 + 0.04 * r, 1 + 0.04 * g, 1 + 0.04 * b), noise=5.0)
