"""Where labels stand in a plot: beside their points, and on nothing else. Knows boxes in pixels, no drawing library."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

DOT = 5.0  # half the side of a point's box
_ANGLES = (0.0, 60.0, -60.0, 120.0, -120.0, 30.0, -30.0, 90.0, -90.0, 150.0, -150.0, 180.0)  # right first, degrees
_STEP = 5.0


class Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, x: float, y: float, width: float, height: float) -> "Box":
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    def meets(self, other: "Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def within(self, other: "Box") -> bool:
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.top >= other.top
            and self.bottom <= other.bottom
        )


def place(
    dots: Sequence[tuple[float, float]],
    widths: Sequence[float],
    height: float,
    area: tuple[float, float],
    *,
    reach: float = math.inf,
) -> list[tuple[float, float] | None]:
    """The centre of each dot's label, `widths` by `height`, in an area of (width, height); all in pixels.

    Greedy and the same for the same input: a label takes the place nearest to its dot that meets no dot, no label and
    no edge. Crowded dots choose first. None: there is no such place within `reach` of the dot.
    """
    frame = Box(0, 0, *area)
    taken = [Box.around(x, y, 2 * DOT, 2 * DOT) for x, y in dots]
    found: list[tuple[float, float] | None] = [None] * len(dots)
    for number in sorted(range(len(dots)), key=lambda n: (-_crowd(dots, n), *dots[n], n)):
        for x, y in _around(dots[number], widths[number], height, min(reach, math.hypot(*area))):
            box = Box.around(x, y, widths[number], height)
            if box.within(frame) and not any(box.meets(other) for other in taken):
                found[number] = (x, y)
                taken.append(box)
                break
    return found


def _crowd(dots: Sequence[tuple[float, float]], number: int) -> int:
    return sum(math.dist(dots[number], dot) < 10 * DOT for dot in dots)


def _around(dot: tuple[float, float], width: float, height: float, reach: float) -> Iterator[tuple[float, float]]:
    """Centres of a label at growing distance between its edge and the dot."""
    distance = DOT
    while distance <= reach:
        for angle in _ANGLES:
            across, down = math.cos(math.radians(angle)), -math.sin(math.radians(angle))
            yield dot[0] + across * (distance + width / 2), dot[1] + down * (distance + height / 2)
        distance += _STEP
