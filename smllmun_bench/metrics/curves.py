"""What a curve says in one number."""

from collections.abc import Mapping
from itertools import pairwise


def area(curve: Mapping[float, float]) -> float:
    """Area under the polygon through the points (x, y), over its width: the mean height, in the range of y.

    Raises ValueError for fewer than two points.

    >>> area({0: 0.0, 10: 1.0}), area({0: 0.0, 5: 1.0, 20: 1.0}), area({5: 0.3, 20: 0.3})
    (0.5, 0.875, 0.3)
    """
    if len(curve) < 2:
        raise ValueError("a curve needs two points")
    points = sorted(curve.items())
    total = sum((right - left) * (low + high) / 2 for (left, low), (right, high) in pairwise(points))
    return total / (points[-1][0] - points[0][0])
