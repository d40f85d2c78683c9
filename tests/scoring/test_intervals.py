"""Intervals: nothing to be unsure of gives no width, and the same draw is read for method, target and gold."""

import dataclasses
import random
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from smllmun_bench.metrics.statistics import Interval
from smllmun_bench.schema import Kind, Modality, Role, Score
from smllmun_bench.scoring.columns import DRAWN, identity
from smllmun_bench.scoring.intervals import (
    IdentityMeans,
    RowRuns,
    estimate,
    identity_means,
    mean_vector,
    prepare,
    row_draws,
    row_intervals,
    table_draws,
)
from smllmun_bench.scoring.summary import overall, summarise
from smllmun_bench.scoring.vectors import ScoreVector

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
    assert (row_draws([MIXED], TARGET, GOLD)["overall"] != row_draws([MIXED], TARGET, GOLD, seed=1)["overall"]).any()


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


# One statistic gives the point, the interval and the tests


def varied(seed: int, roles: Sequence[Role] = ROLES) -> list[Score]:
    chance = random.Random(seed)
    return scores({role: [float(chance.random() < 0.6) for _ in range(20)] for role in roles})


@pytest.mark.parametrize("number", range(5))
def test_with_everybody_counted_once_the_draw_is_the_row(number: int) -> None:
    """All columns, and `overall` as the mean of the seeds' own: what the table prints."""
    runs, target, gold = [varied(10 * number + seed) for seed in range(3)], TARGET, GOLD
    row = prepare(RowRuns(*map_means(runs, target, gold)))
    once = {pool: np.ones((1, len(members.identities))) for pool, members in row.pools.items()}
    point = estimate(row, once, np.full((1, 3), 1 / 3))
    vectors = [summarise(run).vector for run in runs]
    each = [overall(vector, summarise(target).vector, summarise(gold).vector) for vector in vectors]
    assert point["overall"] == pytest.approx([np.mean(each)], abs=1e-12)
    mean = mean_vector(runs)
    for column in point.keys() - {"overall"}:
        assert point[column] == pytest.approx([getattr(mean, column)], abs=1e-12)


def test_overall_is_of_each_seed_and_not_of_their_mean() -> None:
    """One seed tells through the photo, the other by name: each forgets nothing (0), their mean would forget half."""
    photo, name = (
        [s if s.modality is way or s.role is not Role.FORGET else replaced(s, 0.0) for s in TARGET]
        for way in (Modality.IMAGE_TEXT, Modality.TEXT)
    )
    target, gold = summarise(TARGET).vector, summarise(GOLD).vector
    assert [overall(summarise(run).vector, target, gold) for run in (photo, name)] == [0, 0]
    assert overall(mean_vector([photo, name]), target, gold) == pytest.approx(0.8)  # 4 / (2 + 1 + 1 + 1)
    assert row_intervals([photo, name], TARGET, GOLD)["overall"] == Interval(0, 0)


def test_draws_of_overall_are_those_of_an_independent_loop() -> None:
    """200 draws, each put together by hand from the identities and seeds that were drawn."""
    runs = [varied(seed) for seed in range(2)]
    row = prepare(RowRuns(*map_means(runs, TARGET, GOLD)))
    random_, draws = np.random.default_rng(7), 200
    counts = {
        pool: random_.multinomial(len(part.identities), [1 / len(part.identities)] * len(part.identities), draws)
        for pool, part in row.pools.items()
    }
    seeds = random_.multinomial(2, [0.5, 0.5], draws) / 2
    found = estimate(row, counts, seeds)["overall"]
    for draw in range(draws):
        each = []
        for run in (*runs, TARGET, GOLD):
            values = dict.fromkeys(ScoreVector.__slots__) | {"broken": 0.0}
            for column in DRAWN:
                worth = {identity(s): s.headline for s in run if column.value(s) is not None}
                if worth:
                    times = dict(zip(row.pools[column.pool].identities, counts[column.pool][draw], strict=True))
                    total = sum(times[who] * worth[who] for who in worth)
                    values[column.name] = total / sum(times[who] for who in worth)
            each.append(ScoreVector(**values))
        expected = sum(share * overall(each[n], each[2], each[3]) for n, share in enumerate(seeds[draw]))
        assert found[draw] == pytest.approx(expected, abs=1e-12)


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    one, two = (RowRuns(*map_means([varied(seed)], TARGET, GOLD), label=str(seed)) for seed in (1, 2))
    small = RowRuns(*map_means([scores(same(0.5), people=3)], scores(same(1.0), people=3), None))
    alone, among = table_draws([two], draws=2500)[0], table_draws([one, small, two], draws=2500)[2]
    assert all((alone[column] == among[column]).all() for column in alone)


def test_seeds_of_two_methods_are_drawn_apart_and_those_of_one_are_not() -> None:
    runs = [scores(same(0.5)), scores(same(1.0))]
    rows = [RowRuns(*map_means(runs, TARGET, GOLD), label=label) for label in ("a", "a", "b")]
    a, again, b = (drawn["forget_image"] for drawn in table_draws(rows, draws=4000))
    assert (a == again).all()
    assert np.corrcoef(a, b)[0, 1] == pytest.approx(0, abs=0.06)


def test_blocks_are_multinomial_and_bounded_in_memory() -> None:
    """100,000 questions about nobody: 100 draws of them at once would be 80 MB of weights, four times over."""
    n = 100_000
    half = {f"item {i}": float(i % 2) for i in range(n)}
    run = IdentityMeans({"general_vqa": half}, dict.fromkeys(ScoreVector.__slots__) | {"general_vqa": 0.5})
    tracemalloc.start()
    drawn = table_draws([RowRuns([run])], draws=100)[0]["general_vqa"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6
    assert drawn.mean() == pytest.approx(0.5, abs=1e-3)
    assert drawn.std() == pytest.approx(0.5 / np.sqrt(n), rel=0.25)


def map_means(runs: Sequence[list[Score]], target: list[Score], gold: list[Score] | None) -> tuple[Any, ...]:
    return [identity_means(run) for run in runs], identity_means(target), gold and identity_means(gold)


def replaced(score: Score, headline: float) -> Score:
    return dataclasses.replace(score, headline=headline)
