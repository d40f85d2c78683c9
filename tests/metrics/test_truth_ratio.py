"""Truth ratios of models that have collapsed: in logarithms throughout, and what is no number is refused by name."""

import json
import math
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from smllmun_bench.importers.tofu import read_tofu
from smllmun_bench.metrics import distribution, probability

MEANS = ("geometric", "arithmetic")


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("exponent", [-150, -300, -700, 0])
def test_the_ratio_does_not_depend_on_the_scale(mean, exponent):
    wrong = math.exp(exponent)
    assert probability.truth_ratio(wrong / 10, [wrong] * 5, mean=mean) == pytest.approx(10)
    assert probability.truth_share(wrong / 10, [wrong] * 5, mean=mean) == pytest.approx(1 / 11)


@hypothesis.given(st.floats(-1e4, 0), st.lists(st.floats(-1e4, 0), min_size=1, max_size=30), st.floats(-1e4, 1e4))
def test_a_shift_of_all_logarithms_does_not_matter(right, wrong, shift):
    for mean in MEANS:
        value = probability.log_truth_ratio(right, wrong, mean=mean)
        moved = probability.log_truth_ratio(right + shift, [one + shift for one in wrong], mean=mean)
        assert value == pytest.approx(moved, abs=1e-7)
        assert min(wrong) - right - 1e-7 <= value <= max(wrong) - right + 1e-7


@hypothesis.given(st.floats(1e-3, 1), st.lists(st.floats(1e-3, 1), min_size=1, max_size=30), st.sampled_from(MEANS))
def test_ratio_and_logarithm_agree(right, wrong, mean):
    """An independent statement: the n-th root of the product, or the sum over n."""
    plain = math.prod(wrong) ** (1 / len(wrong)) if mean == "geometric" else sum(wrong) / len(wrong)
    log = probability.log_truth_ratio(math.log(right), [math.log(p) for p in wrong], mean=mean)
    assert probability.truth_ratio(right, wrong, mean=mean) == pytest.approx(plain / right)
    assert math.exp(log) == pytest.approx(plain / right)
    assert probability.forget_of_log(log) == pytest.approx(probability.truth_ratio_forget(plain / right))
    assert probability.retain_of_log(log) == pytest.approx(probability.truth_ratio_retain(plain / right), abs=1e-9)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused_by_name(value):
    said = str(value)
    for mean in MEANS:
        for right, wrong in ((value, [0.5]), (0.5, [0.5, value])):
            for function in (probability.truth_ratio, probability.truth_share, probability.log_truth_ratio):
                with pytest.raises(ValueError, match=said):
                    function(right, wrong, mean=mean)
    statistics = ("truth_ratio_forget", "truth_ratio_retain", "forget_of_log", "retain_of_log")
    for name in statistics:
        with pytest.raises(ValueError, match=said):
            getattr(probability, name)(value)
    for function in (distribution.ks_two_sample, distribution.jensen_shannon, distribution.jensen_shannon_distance):
        with pytest.raises(ValueError, match=said):
            function([1.0, value], [1.0])


@pytest.mark.parametrize(("low", "high"), [(0.0, 5e-324), (1.0, 1.0 + 2**-50), (-1.7e308, 1.7e308), (1e-310, 2e-310)])
def test_two_values_are_two_however_close_or_far(low, high):
    assert distribution.jensen_shannon([low], [high]) == pytest.approx(1)
    assert distribution.jensen_shannon([low, high], [low, low]) == pytest.approx(0.311, abs=1e-3)
    assert distribution.jensen_shannon([low, high], [low, high]) == 0


def _log(folder: Path, right, wrong) -> Path:
    folder.mkdir()
    numbers = range(len(right))
    log = {
        "avg_gt_loss": {str(n): 1.0 for n in numbers},
        "avg_paraphrased_loss": {str(n): right[n] for n in numbers},
        "average_perturb_loss": {str(n): [wrong] * 5 for n in numbers},
        "rougeL_recall": {str(n): 0.1 for n in numbers},
    }
    (folder / "eval_log_forget.json").write_text(json.dumps(log), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("unlearned", "retain", "wrong"),
    [
        ([300.0 + n for n in range(10)], [299.5 - n for n in range(10)], 100.0),
        ([100.0 - n for n in range(10)], [100.5 + n for n in range(10)], 300.0),
        ([9000.0 + n for n in range(10)], [8999.5 - n for n in range(10)], 100.0),
    ],
)
def test_collapsed_tofu_logs_are_told_apart(tmp_path, unlearned, retain, wrong):
    """Ten against ten that do not overlap: D = 1, and p is two of the C(20, 10) orderings."""
    found = read_tofu(_log(tmp_path / "a", unlearned, wrong), _log(tmp_path / "b", retain, wrong))
    assert found.forget_ks == 1
    assert found.forget_quality == pytest.approx(2 / math.comb(20, 10))
    assert f"{found.forget_quality:.3g}" == "1.08e-05"
    assert 0 <= found.sets["forget"].truth_ratio <= 1
