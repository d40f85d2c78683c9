"""Trust in metrics: hand-made cases, and a metric that is known to be bad comes last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smllmun_bench.metrics.metaeval import Attacked, quantisation, ranked, relearning, verdict

share = st.floats(0, 1)


def test_relearning_twice_as_fast_as_gold_is_one_half() -> None:
    assert relearning(Attacked(0.1, 0.5), Attacked(0.0, 0.2)) == pytest.approx(0.5)


@given(share, share, share, share)
def test_robustness_is_a_share(a: float, b: float, c: float, d: float) -> None:
    assert 0 <= relearning(Attacked(a, b), Attacked(c, d)) <= 1
    assert 0 <= quantisation(Attacked(a, b)) <= 1


@given(share, share)
def test_like_gold_is_robust(a: float, b: float) -> None:
    assert relearning(Attacked(a, b), Attacked(a, b)) == pytest.approx(1)


def test_a_metric_that_cannot_tell_the_pools_apart_comes_last() -> None:
    steady = [(Attacked(0.2, 0.3), Attacked(0.1, 0.2))]
    still = [Attacked(0.2, 0.2)]
    good = verdict("good", [0.9, 0.8, 0.95], [0.1, 0.2, 0.15], steady, still)
    blind = verdict("blind", [0.5, 0.5, 0.5], [0.5, 0.5, 0.5], steady, still)
    wrong = verdict("wrong way", [0.1, 0.2, 0.1], [0.8, 0.9, 0.7], steady, still)
    assert [v.metric for v in ranked([wrong, blind, good])] == ["good", "blind", "wrong way"]
    assert (good.faithfulness, blind.faithfulness, wrong.faithfulness) == (1.0, 0.5, 0.0)


def test_without_attacked_models_only_faithfulness_speaks() -> None:
    found = verdict("m", [0.9], [0.1])
    assert (found.faithfulness, found.relearning, found.quantisation, found.overall) == (1.0, None, None, None)
