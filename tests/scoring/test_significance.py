"""Tests of a table: what can be told apart is, what cannot be is marked, and where nothing can be said nothing is."""

import numpy as np
import pytest

from smllmun_bench.scoring.significance import AgainstTarget, Evidence, Noise, significance


def spaced(methods: int, draws: int) -> list[Evidence]:
    """Best first, each .01 above the next in every draw."""
    noise = np.random.default_rng(0).normal(0, 0.2, draws)  # of the people: the same for all
    return [Evidence(1 - 0.01 * n + noise) for n in range(methods)]


@pytest.mark.parametrize("methods", [2, 26, 27, 30, 40, 400])
def test_no_number_of_rows_makes_neighbours_equal(methods: int) -> None:
    found = significance(spaced(methods, 20_000))
    assert [row.within_noise for row in found] == [None, *[Noise.NONE] * (methods - 1)]


@pytest.mark.parametrize(("methods", "said"), [(26, True), (27, False)])
def test_where_no_draw_could_tell_them_apart_nothing_is_said(methods: int, said: bool) -> None:
    """1,000 draws: p is at least 2/1001, and 25 pairs times that is below .05, 26 pairs is above."""
    found = significance(spaced(methods, 1000))
    assert {row.within_noise for row in found[1:]} == ({Noise.NONE} if said else {None})
    assert all(row.p_above is not None for row in found[1:])


def test_equals_are_marked_and_others_beside_them_are_not() -> None:
    draws = np.random.default_rng(1).normal(0.5, 0.1, 20_000)
    shuffled = np.random.default_rng(2).permutation(draws)
    last_bit = draws - 1e-16
    rows = [draws + 0.9, draws, draws, last_bit, shuffled]
    found = significance([Evidence(row) for row in rows])
    assert [row.within_noise for row in found] == [None, Noise.NONE, Noise.ABOVE, Noise.ABOVE, Noise.ABOVE]
    assert [row.p_above for row in found[2:]] == [1, 1, 1]


def test_undefined_draws_are_left_out_and_a_row_of_them_is_not_tested() -> None:
    some = np.where(np.arange(20_000) % 2, np.nan, 0.5)
    found = significance(
        [Evidence(np.full(20_000, 0.9)), Evidence(some), Evidence(np.full(20_000, np.nan)), Evidence()]
    )
    assert found[1].p_above == pytest.approx(2 / 10_001)
    assert [row.p_above for row in found[2:]] == [None, None]


def test_people_decide_what_can_be_said_about_forgetting() -> None:
    """40 methods on six people: 40 · 2/2⁶ is above .05, so neither a mark nor a smallest difference."""
    few, enough = ([Evidence(target=AgainstTarget(p, 0.1, people))] * 40 for p, people in ((2 / 2**6, 6), (1e-4, 20)))
    assert {(row.p_target, row.within_noise, row.detectable) for row in significance(few)} == {(1.0, None, None)}
    found = {(row.within_noise, row.detectable) for row in significance(enough)}
    assert found == {(Noise.NONE, 0.1)}
