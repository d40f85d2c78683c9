"""Intervals: nothing to be unsure of gives no width, and the same draw is read for method, target and gold."""

import numpy as np
import pytest

from smllmun_bench.schema import Kind, Modality, Role, Score
from smllmun_bench.scoring.intervals import Interval, mean_vector, row_draws, row_intervals

ROLES = (Role.FORGET, Role.RETAIN, Role.UNDERSTANDING_FORGET, Role.UNDERSTANDING_RETAIN, Role.GENERAL)


def scores(values: dict[Role, list[float]], people: int = 20) -> list[Score]:
    """Person n has the n-th value of a role (cyclically), in both modalities where the role is a memory."""
    found: list[Score] = []
    for role in ROLES:
        ways = (Modality.IMAGE_TEXT, Modality.TEXT) if role in (Role.FORGET, Role.RETAIN) else (Modality.IMAGE_TEXT,)
        for number in range(people):
            value = values[role][number % len(values[role])]
            for way in ways:
                who = "" if role is Role.GENERAL else f"{'f' if 'forget' in role else 'r'}{number}"
                found.append(
                    Score(f"{role}/{number}/{way}", who, role, way, Kind.OPEN, "correct" if value else "wrong", value)
                )
    return found


def same(value: float) -> dict[Role, list[float]]:
    return {role: [value] for role in ROLES}


TARGET = scores(same(1.0))
GOLD = scores(same(1.0) | {Role.FORGET: [0.0]})
MIXED = scores(same(1.0) | {Role.FORGET: [0.0, 1.0], Role.RETAIN: [1.0, 1.0, 0.0]})


def test_where_all_agree_the_interval_has_no_width() -> None:
    found = row_intervals([scores(same(1.0))], TARGET, GOLD)
    assert found["retain_image"] == found["general_vqa"] == Interval(1, 1)
    assert found["overall"].low == found["overall"].high


def test_an_interval_holds_the_mean_and_stays_in_range() -> None:
    found, mean = row_intervals([MIXED], TARGET, GOLD), mean_vector([MIXED])
    for column in ("forget_image", "forget_text", "retain_image", "retain_text"):
        interval = found[column]
        assert 0 <= interval.low < getattr(mean, column) < interval.high <= 1
    assert found["overall"].low < found["overall"].high


def test_width_is_that_of_a_mean_of_independent_persons() -> None:
    """20 persons, half of them right: 2 · 1.96 · √(¼ / 20) = 0.438, up to the steps of 1/20."""
    interval = row_intervals([MIXED], TARGET, GOLD)["forget_image"]
    assert interval.high - interval.low == pytest.approx(0.438, abs=0.06)


def test_questions_about_one_person_do_not_narrow_the_interval() -> None:
    again = [Score(f"{s.item_id}/again", s.entity_id, s.role, s.modality, s.kind, s.state, s.headline) for s in MIXED]
    once, thrice = row_intervals([MIXED], TARGET, GOLD), row_intervals([[*MIXED, *again]], TARGET, GOLD)
    assert once["forget_image"] == thrice["forget_image"]


def test_the_seed_decides_and_the_order_does_not() -> None:
    once = row_intervals([MIXED], TARGET, GOLD)
    assert once == row_intervals([MIXED[::-1]], TARGET[::-1], GOLD[::-1])
    assert once != row_intervals([MIXED], TARGET, GOLD, seed=1)


def test_without_gold_there_is_no_overall() -> None:
    found = row_intervals([MIXED], TARGET, None)
    assert "overall" not in found
    assert "forget_image" in found


def test_a_column_that_few_persons_have_keeps_its_place_in_every_draw() -> None:
    """One person alone has text questions: in about a third of the draws they are missing, and nothing shifts."""
    rare = [s for s in MIXED if not (s.modality is Modality.TEXT and s.role is Role.FORGET and s.entity_id != "f1")]
    found = row_intervals([rare], TARGET, GOLD)
    assert found["forget_text"] == Interval(1, 1)
    assert found["overall"].low <= found["overall"].high


def test_seeds_are_averaged_within_each_person_and_drawn_too() -> None:
    """One seed is right where the other is wrong: the mean person is at one half, and which seed was lucky counts."""
    other = scores(same(1.0) | {Role.FORGET: [1.0, 0.0], Role.RETAIN: [1.0, 1.0, 0.0]})
    draws = row_draws([MIXED, other], TARGET, GOLD)["forget_image"]
    assert draws.mean() == pytest.approx(0.5, abs=0.01)
    both = np.isclose(draws, 0.5)
    assert both.mean() >= 0.5  # one of each seed, in half of the draws: then nothing is left to differ


def test_seeds_that_differ_widen_the_interval_and_equal_ones_do_not() -> None:
    alone, apart = scores(same(0.5)), [scores(same(0.2)), scores(same(0.8)), scores(same(0.5))]
    assert row_intervals([alone] * 3, TARGET, GOLD)["forget_image"] == Interval(0.5, 0.5)
    wide = row_intervals(apart, TARGET, GOLD)["forget_image"]
    assert wide.low < 0.3
    assert wide.high > 0.7


def test_a_row_and_the_row_beside_it_see_the_same_draws() -> None:
    one, two = (row_draws([run], TARGET, GOLD)["overall"] for run in (MIXED, MIXED[::-1]))
    assert (one - two).tolist() == [0.0] * len(one)


def test_a_column_without_anything_to_forget_is_not_in_overall() -> None:
    half = scores(same(1.0) | {Role.FORGET: [0.0, 1.0]})
    one = row_draws([half], TARGET, GOLD, memory=("forget_image",))["overall"]
    assert one.mean() == pytest.approx(row_draws([half], TARGET, GOLD)["overall"].mean(), abs=0.01)
    assert "overall" not in row_draws([half], TARGET, GOLD, memory=())
