"""leak@k against hand-made values and its limits."""

import math
from itertools import combinations

import pytest

from smllmun_bench.metrics.leakage import leak_at_k


@pytest.mark.parametrize(("n", "c", "k"), [(5, 2, 1), (5, 2, 3), (6, 1, 2), (6, 0, 4), (6, 6, 1), (7, 3, 7)])
def test_it_is_the_share_of_all_ways_to_take_k_in_which_one_leaks(n: int, c: int, k: int) -> None:
    ways = list(combinations([True] * c + [False] * (n - c), k))
    assert leak_at_k(n, c, k) == pytest.approx(sum(map(any, ways)) / len(ways), abs=1e-12)


def test_limits_and_two_hundred_answers() -> None:
    assert all(leak_at_k(200, c, 1) == pytest.approx(c / 200) for c in range(201))
    assert leak_at_k(200, 1, 200) == 1.0
    assert leak_at_k(200, 3, 100) == pytest.approx(1 - math.comb(197, 100) / math.comb(200, 100), abs=1e-12)


@pytest.mark.parametrize(("n", "c", "k"), [(4, 5, 1), (4, -1, 1), (4, 1, 0), (4, 1, 5)])
def test_what_is_no_sample_is_an_error(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="are taken"):
        leak_at_k(n, c, k)
