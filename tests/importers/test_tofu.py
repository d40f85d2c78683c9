"""TOFU's logs in upstream's layout: published formulas, and a broken twin of every file."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import hmean, ks_2samp

from smllmun_bench.errors import UserError
from smllmun_bench.importers.tofu import FILES, read_tofu

Log = dict[str, Any]


def part(n: int, seed: int) -> Log:
    """What `evaluate_util.py` writes for one set, invented numbers."""
    draw = np.random.default_rng(seed)
    indices = [str(i) for i in range(n)]

    def each(low: float, high: float, width: int = 0) -> Log:
        return {
            i: draw.uniform(low, high, width or None).tolist() if width else draw.uniform(low, high) for i in indices
        }

    return {
        "avg_gt_loss": each(0.1, 2.0),
        "gt_loss": each(1, 20),
        "num_token_gt": dict.fromkeys(indices, 9),
        "generated_text": {i: ["q", "a", "t"] for i in indices},
        "rouge1_recall": each(0, 1),
        "rougeL_recall": each(0, 1),
        "average_perturb_loss": each(0.5, 4.0, 5),
        "avg_paraphrased_loss": each(0.1, 3.0),
        "truth_ratio": each(0, 3),
        "paraphrased_loss": each(1, 20),
        "perturb_loss": each(1, 20, 5),
        "num_token_paraphrased": dict.fromkeys(indices, 9),
        "num_token_perturb": {i: [9] * 5 for i in indices},
    }


def aggregated(seed: int = 0, n: int = 12) -> Log:
    return {file: part(n, seed + number) for number, file in enumerate(FILES)}


def saved(folder: Path, log: Log, name: str = "eval_log_aggregated.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(log, indent=4))
    return path


def with_ratios(ratios: list[float]) -> Log:
    """A log whose forget set has these truth ratios p(wrong)/p(right)."""
    log = aggregated(n=len(ratios))
    forget = log["eval_log_forget.json"]
    for index, ratio in enumerate(ratios):
        forget["avg_paraphrased_loss"][str(index)] = 9.0
        forget["average_perturb_loss"][str(index)] = [9.0 - math.log(ratio)] * 5
    return log


def test_the_numbers_are_those_of_the_published_script(tmp_path: Path) -> None:
    log, retain = aggregated(), aggregated(50)
    found = read_tofu(saved(tmp_path, log), saved(tmp_path, retain, "retain.json"))
    nine = []
    for file, name in FILES.items():
        values = {key: np.array(list(log[file][key].values())) for key in log[file] if key != "generated_text"}
        chance = np.exp(-values["avg_gt_loss"])
        if name in ("real_authors", "world_facts"):
            chance = chance / (chance + np.exp(-values["average_perturb_loss"]).sum(1))
        ratio = np.exp(values["avg_paraphrased_loss"] - values["average_perturb_loss"].mean(1))
        kept = np.minimum(ratio, 1 / ratio) if name == "forget" else np.maximum(0, 1 - ratio)
        ours = found.sets[name]
        wanted = [float(chance.mean()), float(values["rougeL_recall"].mean()), float(kept.mean())]
        assert [ours.probability, ours.rouge_l_recall, ours.truth_ratio] == pytest.approx(wanted, abs=1e-12)
        nine += wanted if name != "forget" else []
    assert found.model_utility == pytest.approx(float(hmean(nine)), abs=1e-12)

    def ratios(one: Log) -> np.ndarray:
        forget = one["eval_log_forget.json"]
        wrong = np.array(list(forget["average_perturb_loss"].values())).mean(1)
        return np.exp(wrong - np.array(list(forget["avg_paraphrased_loss"].values())))

    reference = ks_2samp(ratios(log), ratios(retain))
    assert found.forget_ks == pytest.approx(reference.statistic, abs=1e-12)
    assert found.forget_quality == pytest.approx(reference.pvalue, rel=1e-9)


@pytest.mark.parametrize(
    ("unlearned", "retain", "d", "p"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 0.0, 1.0),
        ([1, 2, 3, 4], [5, 6, 7, 8], 1.0, 2 / 70),
        ([1, 2, 3, 4], [3, 4, 5, 6], 0.5, 0.771),
    ],
)
def test_golden_forget_quality(tmp_path: Path, unlearned: list[float], retain: list[float], d: float, p: float) -> None:
    found = read_tofu(saved(tmp_path, with_ratios(unlearned)), saved(tmp_path, with_ratios(retain), "retain.json"))
    assert (found.forget_ks, found.forget_quality) == (d, pytest.approx(p, abs=5e-4))


def test_golden_truth_ratio_and_utility(tmp_path: Path) -> None:
    """Right .5, wrong .1 and .4: r = .4 geometric, .5 arithmetic; a part that is 0 makes the utility 0."""
    log = aggregated(n=1)
    for file in FILES:
        log[file]["avg_paraphrased_loss"]["0"] = -math.log(0.5)
        log[file]["average_perturb_loss"]["0"] = [-math.log(0.1), -math.log(0.4)]
    geometric = read_tofu(saved(tmp_path, log)).sets["retain"].truth_ratio
    arithmetic = read_tofu(saved(tmp_path, log), mean="arithmetic").sets["retain"].truth_ratio
    assert (geometric, arithmetic) == (pytest.approx(0.6), pytest.approx(0.5))
    log["eval_log.json"]["rougeL_recall"]["0"] = 0
    assert read_tofu(saved(tmp_path, log)).model_utility == 0


def test_very_long_losses_do_not_vanish(tmp_path: Path) -> None:
    log = aggregated(n=1)
    log["eval_log_forget.json"]["avg_paraphrased_loss"]["0"] = 2000.0
    log["eval_log_forget.json"]["average_perturb_loss"]["0"] = [2000.0] * 5
    assert read_tofu(saved(tmp_path, log)).sets["forget"].truth_ratio == pytest.approx(1.0)


@pytest.mark.parametrize("gap", [800.0, -800.0])
def test_collapsed_models_are_told_apart(tmp_path: Path, gap: float) -> None:
    """Ratios of e^±800 and beyond: as floats both sides are 0 or infinite, and the same."""

    def collapsed(start: float) -> Log:
        log = aggregated(n=10)
        log["eval_log_forget.json"]["avg_paraphrased_loss"] = {str(i): 1000.0 for i in range(10)}
        losses = {str(i): [1000.0 - gap + start + i] * 5 for i in range(10)}
        log["eval_log_forget.json"]["average_perturb_loss"] = losses
        return log

    found = read_tofu(saved(tmp_path, collapsed(0)), saved(tmp_path, collapsed(100), "retain.json"))
    assert (found.forget_ks, found.forget_quality) == (1.0, pytest.approx(2 / math.comb(20, 10)))
    assert found.sets["forget"].truth_ratio == pytest.approx(0, abs=1e-300)


def test_a_folder_of_parts_and_lists_are_read_alike(tmp_path: Path) -> None:
    log = aggregated()
    whole = read_tofu(saved(tmp_path, log))
    folder = tmp_path / "parts"
    folder.mkdir()
    for file, one in log.items():
        listed = {key: list(value.values()) for key, value in one.items()}  # as older logs are
        saved(folder, listed, file)
    assert read_tofu(folder) == whole


def test_what_is_not_there_is_undefined_and_named(tmp_path: Path) -> None:
    log = aggregated()
    del log["eval_real_world_wo_options.json"]
    found = read_tofu(saved(tmp_path, log))
    assert (found.model_utility, found.forget_quality) == (None, None)
    assert found.missing == ("world_facts.probability", "world_facts.rouge_l_recall", "world_facts.truth_ratio")


def _drop_key(log: Log) -> None:
    del log["eval_log.json"]["avg_paraphrased_loss"]


def _nan(log: Log) -> None:
    log["eval_log_forget.json"]["avg_gt_loss"]["3"] = math.nan


def _text(log: Log) -> None:
    log["eval_log.json"]["rougeL_recall"]["2"] = "0.5"


def _single(log: Log) -> None:
    log["eval_log.json"]["average_perturb_loss"]["4"] = 0.5


def _lost(log: Log) -> None:
    del log["eval_log_forget.json"]["average_perturb_loss"]["7"]


def _negative(log: Log) -> None:
    log["eval_log.json"]["avg_gt_loss"]["5"] = -0.5


@pytest.mark.parametrize(
    ("break_it", "what", "where"),
    [
        (_drop_key, "key is missing", "key 'eval_log.json.avg_paraphrased_loss'"),
        (_nan, "expected a number, found nan", "row 3, key 'eval_log_forget.json.avg_gt_loss'"),
        (_text, "expected a number, found text", "row 2, key 'eval_log.json.rougeL_recall'"),
        (_single, "expected a list of losses", "row 4, key 'eval_log.json.average_perturb_loss'"),
        (_lost, "1 questions are in only one of", "row 7, key 'eval_log_forget.json.avg_paraphrased_loss'"),
        (_negative, "-0.5 is no mean loss", "row 5, key 'eval_log.json.avg_gt_loss'"),
    ],
)
def test_a_broken_twin_is_placed(tmp_path: Path, break_it: Callable[[Log], None], what: str, where: str) -> None:
    log = aggregated()
    break_it(log)
    path = saved(tmp_path, log)
    with pytest.raises(UserError) as caught:
        read_tofu(path)
    assert what in str(caught.value)
    assert f"{path}, {where}" in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a log of TOFU"):
        read_tofu(saved(tmp_path, {"a": 1}))
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        read_tofu(tmp_path / "x.json")
    forgetless = aggregated()
    del forgetless["eval_log_forget.json"]
    with pytest.raises(UserError, match="no forget set"):
        read_tofu(saved(tmp_path, aggregated()), saved(tmp_path, forgetless, "retain.json"))
