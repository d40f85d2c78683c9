"""open-unlearning's TOFU logs in upstream's layout, and a broken twin of each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import hmean, ks_2samp
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.errors import UserError
from smllmun_bench.importers.open_unlearning import read_open_unlearning

Log = dict[str, Any]
NINE = [f"{s}_{m}" for s in ("retain", "ra", "wf") for m in ("Q_A_Prob", "Q_A_ROUGE", "Truth_Ratio")]
FORGET_RATIO = "forget_truth_ratio"  # the suite's own spelling, beside `retain_Truth_Ratio`
NINE = [name + "_normalised" if name in ("ra_Q_A_Prob", "wf_Q_A_Prob") else name for name in NINE]


def metric(name: str, n: int, draw: np.random.Generator) -> Log:
    values = draw.uniform(0.05, 0.95, n)
    if "ROUGE" in name:
        rows = [
            {"rouge1_recall": v, "rougeL_f1": v / 2, "rougeL_recall": v, "input": "q", "generation": "a"}
            for v in values
        ]
        mean = values.mean()
    elif "Prob" in name:
        rows, mean = [{"prob": v, "avg_loss": -np.log(v)} for v in values], values.mean()
    else:
        values = values * 2
        rows = [{"score": v} for v in values]
        mean = np.minimum(values, 1 / values).mean() if name.startswith("forget") else np.maximum(0, 1 - values).mean()
    return {"agg_value": float(mean), "value_by_index": {str(i): row for i, row in enumerate(rows)}}


def evaluation(seed: int = 0, n: int = 10) -> Log:
    draw = np.random.default_rng(seed)
    log = {name: metric(name, n, draw) for name in (*NINE, "forget_Q_A_Prob", "forget_Q_A_ROUGE", FORGET_RATIO)}
    log["model_utility"] = {"agg_value": float(hmean([log[name]["agg_value"] for name in NINE]))}
    log["forget_quality"] = {"agg_value": None}
    log["extraction_strength"] = {"agg_value": 0.1, "value_by_index": {"0": {"score": None}}}
    return log


def ratios(log: Log) -> list[float]:
    return [row["score"] for row in log[FORGET_RATIO]["value_by_index"].values()]


def saved(folder: Path, log: Log, name: str = "TOFU_EVAL.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(log, indent=4))
    return path


def test_both_numbers_come_out_as_recorded(tmp_path: Path) -> None:
    log, retain = evaluation(), evaluation(1)
    log["forget_quality"]["agg_value"] = float(ks_2samp(ratios(log), ratios(retain)).pvalue)
    found = read_open_unlearning(saved(tmp_path, log), saved(tmp_path, retain, "retain.json"))
    assert found.model_utility == pytest.approx(log["model_utility"]["agg_value"], abs=1e-12)
    assert found.forget_quality == pytest.approx(log["forget_quality"]["agg_value"], rel=1e-9)
    assert found.disagreements == ()
    assert found.sets["forget"].n == 10


def test_a_number_that_its_questions_do_not_come_to_is_told(tmp_path: Path) -> None:
    log = evaluation()
    log["retain_Q_A_ROUGE"]["agg_value"] += 0.25  # as after an evaluation into a folder that held an older one
    found = read_open_unlearning(saved(tmp_path, log))
    assert [one.name for one in found.disagreements] == ["retain.rouge_l_recall"]


def test_a_question_without_a_number_is_counted(tmp_path: Path) -> None:
    log = evaluation()
    log["forget_Q_A_Prob"]["value_by_index"]["4"]["prob"] = None
    assert "1 questions of forget_Q_A_Prob" in read_open_unlearning(saved(tmp_path, log)).notes[0]


def test_logs_of_different_questions_are_noted(tmp_path: Path) -> None:
    retain = evaluation(1)
    del retain[FORGET_RATIO]["value_by_index"]["9"]
    found = read_open_unlearning(saved(tmp_path, evaluation()), saved(tmp_path, retain, "retain.json"))
    assert found.notes == ("1 questions of the forget set are in one log only",)


def test_a_summary_gives_the_utility_alone(tmp_path: Path) -> None:
    log = evaluation()
    short = {name: one["agg_value"] for name, one in log.items() if one["agg_value"] is not None}
    path = saved(tmp_path, short, "TOFU_SUMMARY.json")
    found = read_open_unlearning(path)
    assert found.model_utility == pytest.approx(log["model_utility"]["agg_value"])
    with pytest.raises(UserError, match="no truth ratio for each question") as caught:
        read_open_unlearning(path, saved(tmp_path, log))
    assert f"{path}, key 'forget_truth_ratio'" in str(caught.value)


def test_the_other_spelling_is_read_too(tmp_path: Path) -> None:
    """Some forks write `forget_Truth_Ratio`; a log of one spelling may be held against one of the other."""
    log, retain = evaluation(), evaluation(1)
    reference = ks_2samp(ratios(log), ratios(retain))
    respelled = {"forget_Truth_Ratio" if name == FORGET_RATIO else name: one for name, one in log.items()}
    whole = saved(tmp_path, retain, "retain.json")
    for one in (log, respelled):
        found = read_open_unlearning(saved(tmp_path, one), whole)
        assert found.forget_quality == pytest.approx(reference.pvalue, rel=1e-9)
        assert found.forget_ks == pytest.approx(reference.statistic)
    with pytest.raises(UserError, match="stands twice"):
        read_open_unlearning(saved(tmp_path, log | respelled))


SUMMARY = {  # what the suite writes: its own two numbers, no part of the utility
    "forget_Q_A_Prob": 0.12, "forget_Q_A_ROUGE": 0.38, "forget_truth_ratio": 0.62, "extraction_strength": 0.06,
    "forget_quality": 3.4e-05, "model_utility": 0.5914, "privleak": -12.3, "mia_loss": None,
}  # fmt: skip


def test_a_summary_gives_its_own_two_numbers(tmp_path: Path) -> None:
    path = saved(tmp_path, SUMMARY, "TOFU_SUMMARY.json")
    found = read_open_unlearning(path)
    assert (found.model_utility, found.forget_quality, found.forget_ks) == (0.5914, 3.4e-05, None)
    assert found.as_logged == ("model_utility", "forget_quality")
    assert found.sets["forget"].truth_ratio == 0.62
    shown = CliRunner().invoke(app, ["score", "--format", "open-unlearning", str(path)])
    assert "model utility 0.5914 (as the log says" in shown.stdout
    assert "forget quality p = 3.4e-05 (as the log says" in shown.stdout
    two = {name: SUMMARY[name] for name in ("model_utility", "forget_quality")}
    assert read_open_unlearning(saved(tmp_path, two, "two.json")).model_utility == 0.5914


def test_the_logs_own_forget_quality_is_shown_without_the_retain_log(tmp_path: Path) -> None:
    log = evaluation()
    log["forget_quality"]["agg_value"] = 0.25
    found = read_open_unlearning(saved(tmp_path, log))
    assert (found.forget_quality, found.as_logged) == (0.25, ("forget_quality",))
    again = read_open_unlearning(saved(tmp_path, log), saved(tmp_path, evaluation(1), "retain.json"))
    assert again.as_logged == ()
    assert [one.name for one in again.disagreements] == ["forget_quality"]


def _no_mean(log: Log) -> None:
    del log["ra_Q_A_ROUGE"]["agg_value"]


def _renamed(log: Log) -> None:
    log["wf_Q_A_ROUGE"]["value_by_index"]["3"] = {"rougeL_recal": 0.5}


def _text(log: Log) -> None:
    log["retain_Truth_Ratio"]["value_by_index"]["6"]["score"] = "x"


def _negative(log: Log) -> None:
    log["wf_Q_A_ROUGE"]["value_by_index"]["3"]["rougeL_recall"] = -0.5


def _list(log: Log) -> None:
    log["retain_Q_A_Prob"]["value_by_index"] = []


@pytest.mark.parametrize(
    ("break_it", "where", "fix"),
    [
        (_no_mean, ", key 'ra_Q_A_ROUGE.agg_value'", ""),
        (_renamed, ", row 3, key 'wf_Q_A_ROUGE.value_by_index.rougeL_recall'", "this file has 'rougeL_recal'"),
        (_text, ", row 6, key 'retain_Truth_Ratio.value_by_index.score'", ""),
        (_negative, ", row 3, key 'wf_Q_A_ROUGE.value_by_index.rougeL_recall'", ""),
        (_list, ", key 'retain_Q_A_Prob.value_by_index'", ""),
    ],
)
def test_a_broken_twin_is_placed(tmp_path: Path, break_it: Callable[[Log], None], where: str, fix: str) -> None:
    log = evaluation()
    break_it(log)
    path = saved(tmp_path, log)
    with pytest.raises(UserError) as caught:
        read_open_unlearning(path)
    assert f"{path}{where}" in str(caught.value)
    assert fix in str(caught.value)


def test_another_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a TOFU log of open-unlearning"):
        read_open_unlearning(saved(tmp_path, {"forget_knowmem_ROUGE": {"agg_value": 0.3}}))
