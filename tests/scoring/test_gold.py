"""Distance to gold: item by item, not mean by mean."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smllmun_bench.schema import Kind, Modality, Prediction, Role, Score
from smllmun_bench.scoring.gold import Answers, log_truth_ratio, share, to_gold


def answers(headlines: list[float], ratios: list[float | None]) -> Answers:
    """One person a question; `ratios` are truth ratios, None where the run holds no log-probabilities."""
    scores = [
        Score(f"q{n}", f"p{n}", Role.FORGET, Modality.TEXT, Kind.OPEN, "", value) for n, value in enumerate(headlines)
    ]
    predictions = [
        Prediction(f"q{n}", "r", "x")
        if ratio is None
        else Prediction(
            f"q{n}",
            "r",
            "x",
            answer_logprobs=(-1.0, -3.0),
            perturbed_logprobs=(math.log(ratio) - 1.0, math.log(ratio) - 3.0),
        )
        for n, ratio in enumerate(ratios)
    ]
    return Answers(scores, predictions)


TARGET = answers([1, 1, 1, 1], [0.1, 0.2, 0.3, 0.4])
GOLD = answers([1, 0, 0, 0], [5.0, 6.0, 7.0, 8.0])


def test_gold_is_at_no_distance_from_itself() -> None:
    (column,) = to_gold(GOLD, TARGET, GOLD)
    assert (column.column, column.n, column.distance, column.target_distance) == ("forget_text", 4, 0, 0.75)
    assert (column.closeness, column.ks_d, column.ks_p, column.js) == (1, 0, 1, 0)


def test_the_untouched_target_is_as_far_as_can_be() -> None:
    (column,) = to_gold(TARGET, TARGET, GOLD)
    assert (column.distance, column.closeness, column.ks_d, column.truth_n) == (0.75, 0, 1, 4)
    assert column.ks_p == pytest.approx(2 / 70)
    assert column.js == pytest.approx(1)


def test_an_equal_mean_on_other_items_is_not_gold() -> None:
    """It knows one of four, as gold does, but another one."""
    (column,) = to_gold(answers([0, 1, 0, 0], [5.0, 6.0, 7.0, 8.0]), TARGET, GOLD)
    assert (column.closeness, column.distance) == (1, 0.5)


def test_what_was_not_measured_is_none() -> None:
    (column,) = to_gold(answers([0, 0, 0, 0], [None] * 4), TARGET, GOLD, measurable=())
    assert (column.closeness, column.truth_n, column.ks_d, column.ks_p, column.js) == (None, 0, None, None, None)


def test_a_truth_ratio_is_per_token_and_geometric() -> None:
    prediction = Prediction("q", "r", "x", answer_logprobs=(-0.5, -1.5, -1.0), perturbed_logprobs=(-2.0, -4.0))
    assert log_truth_ratio(prediction) == pytest.approx(-2.0)
    assert log_truth_ratio(Prediction("q", "r", "x", answer_logprobs=(-1.0,))) is None
    broken = Prediction("q", "r", "x", answer_logprobs=(math.nan,), perturbed_logprobs=(-1.0,))
    assert log_truth_ratio(broken) is None


@given(st.floats(-700, 700))
def test_the_share_is_the_truth_ratio_as_a_probability(log_ratio: float) -> None:
    assert share(log_ratio) == pytest.approx(1 / (1 + math.exp(log_ratio)), abs=1e-12)


def test_other_items_are_refused() -> None:
    with pytest.raises(ValueError, match="different items"):
        to_gold(answers([1], [1.0]), TARGET, GOLD)
