"""Sample logs of lm-evaluation-harness and lmms-eval, written here in their layout, each with a broken twin."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from smllmun_bench.errors import UserError
from smllmun_bench.importers.lm_eval import read_lm_eval
from smllmun_bench.importers.lmms_eval import read_lmms_eval

Row = dict[str, Any]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def choice_row(doc_id: int, logprobs: list[float], target: int) -> Row:
    pairs = [[str(value), "False"] for value in logprobs]
    doc = {"question": f"q{doc_id}", "choices": list("abcd")[: len(logprobs)]}
    best = max(range(len(logprobs)), key=logprobs.__getitem__)
    return {
        "doc_id": doc_id,
        "doc": doc,
        "target": str(target),
        "arguments": {f"gen_args_{i}": {"arg_0": f"q{doc_id}", "arg_1": f" {c}"} for i, c in enumerate(doc["choices"])},
        "resps": [[pair] for pair in pairs],
        "filtered_resps": pairs,
        "filter": "none",
        "metrics": ["acc", "acc_norm"],
        "doc_hash": digest(json.dumps(doc, indent=2)),
        "prompt_hash": digest(f"q{doc_id}"),
        "target_hash": digest(str(target)),
        "acc": float(best == target),
        "acc_norm": 1.0,
    }


def text_row(doc_id: int, text: str, target: str, filter_: str, hit: float) -> Row:
    return {
        "doc_id": doc_id,
        "doc": {"question": "q", "answer": target},
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": "q", "arg_1": {"until": ["\n"]}}},
        "resps": [[text]],
        "filtered_resps": [text],
        "filter": filter_,
        "metrics": ["exact_match"],
        "exact_match": hit,
    }


def saved(folder: Path, rows: list[Row]) -> Path:
    path = folder / "samples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


CHOICES = [
    choice_row(0, [-0.1, -2, -3, -4], 0),
    choice_row(1, [-5, -0.5, -3, -4], 1),
    choice_row(2, [-5, -0.5, -3, -4], 3),
    choice_row(3, [-1.5, -1.5, -3, -4], 0),  # a tie: upstream takes the first
]


def test_choices_by_log_probability(tmp_path: Path) -> None:
    (found,) = read_lm_eval(saved(tmp_path, CHOICES))
    assert (found.form, found.n, found.unparsed, found.differs) == ("options", 4, 1, 1)
    assert found.accuracy.mean == 0.5
    assert found.chance_corrected == pytest.approx((0.5 - 0.25) / 0.75)
    assert (found.recorded["acc"].mean, found.recorded["acc_norm"].mean) == (0.75, 1.0)
    assert found.recorded["acc_norm"].low == found.recorded["acc_norm"].high == 1.0
    assert found.accuracy.low < 0.5 < found.accuracy.high


def test_each_filter_is_its_own_result(tmp_path: Path) -> None:
    rows = [text_row(0, "42", "42", "strict-match", 1.0), text_row(0, "is 42", "42", "flexible-extract", 0.0)]
    strict, flexible = read_lm_eval(saved(tmp_path, rows))
    assert (strict.filter, strict.accuracy.mean) == ("strict-match", 1.0)
    assert (flexible.filter, flexible.accuracy.mean) == ("flexible-extract", 0.0)


def test_older_logs_lack_filter_metrics_and_hashes(tmp_path: Path) -> None:
    optional = ("filter", "metrics", "doc_hash", "prompt_hash", "target_hash")
    rows = [{key: value for key, value in row.items() if key not in optional} for row in CHOICES]
    assert read_lm_eval(saved(tmp_path, rows)) == read_lm_eval(saved(tmp_path, CHOICES))


def test_corpus_metrics_and_nulls_are_no_scores(tmp_path: Path) -> None:
    row = text_row(0, "x", "x", "none", 1.0) | {
        "metrics": ["exact_match", "bleu", "ter"],
        "bleu": ["x", "x"],
        "ter": None,
    }
    (found,) = read_lm_eval(saved(tmp_path, [row]))
    assert list(found.recorded) == ["exact_match"]


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        ({"target": "four"}, "key 'target'", "'four' is not the number of an option"),
        ({"target": "4"}, "key 'target'", "option 4 of 4"),
        ({"doc_id": "1"}, "key 'doc_id'", "whole number"),
        ({"filtered_resps": [["x", "False"], ["-1", "False"]]}, "key 'filtered_resps.0'", "'x' is no log-probability"),
        ({"filtered_resps": [["0.7", "False"], ["-1", "False"]]}, "key 'filtered_resps.0'", "not above 0"),
        ({"filtered_resps": 7}, "key 'filtered_resps'", "neither text nor a list"),
        ({"metrics": ["accc"]}, "key 'accc'", "key is missing"),
        ({"doc_id": 0}, "key 'doc_id'", "document 0 stands 2 times"),
    ],
)
def test_a_broken_twin_of_lm_eval_is_placed(tmp_path: Path, change: Row, where: str, what: str) -> None:
    path = saved(tmp_path, [CHOICES[0], CHOICES[1] | change])
    with pytest.raises(UserError) as caught:
        read_lm_eval(path)
    row = 1 if "stands 2 times" in what else 2
    assert f"{path}, row {row}, {where}" in str(caught.value)
    assert what in str(caught.value)


def test_a_cut_file_names_its_row(tmp_path: Path) -> None:
    path = saved(tmp_path, CHOICES)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(UserError, match="not JSON") as caught:
        read_lm_eval(path)
    assert f"{path}, row 4" in str(caught.value)


def lmms_row(doc_id: int, answer: object, target: str, **metrics: object) -> Row:
    return {
        "doc_id": doc_id,
        "target": target,
        "filtered_resps": answer,
        "token_counts": [{"output_tokens": 3}],
        "doc_hash": digest(str(doc_id)),
        "input": "<image>\nWhat?",
        **metrics,
    }


@pytest.mark.parametrize("nest", [lambda t: t, lambda t: [t], lambda t: [[t]]])
def test_every_nesting_of_lmms_eval_is_the_same_answer(tmp_path: Path, nest: Any) -> None:
    rows = [lmms_row(0, nest("B"), "B", acc=1), lmms_row(1, nest("The answer is C."), "B", acc=0)]
    (found,) = read_lmms_eval(saved(tmp_path, rows))
    assert (found.form, found.accuracy.mean, found.unparsed, found.differs) == ("letter", 0.5, 0, 0)


def test_responses_alone_are_read_too(tmp_path: Path) -> None:
    row = lmms_row(0, "yes", "yes")
    row["resps"] = [["Yes, there is."]]
    del row["filtered_resps"]
    (found,) = read_lmms_eval(saved(tmp_path, [row]))
    assert (found.form, found.accuracy.mean) == ("yes/no", 1.0)


def test_letters_are_read_without_the_options_and_never_guessed(tmp_path: Path) -> None:
    answers = ["B", "(B)", "b", "A or B", "I don't know", "dog", ""]
    (found,) = read_lmms_eval(saved(tmp_path, [lmms_row(i, a, "B") for i, a in enumerate(answers)]))
    assert (found.accuracy.mean, found.unparsed) == (pytest.approx(3 / 7), 4)


def test_a_metric_that_is_an_object_gives_its_score(tmp_path: Path) -> None:
    rows = [lmms_row(0, "B", "B", gqa={"question_id": "n1", "score": 0.5}, other={"pred": "B"})]
    (found,) = read_lmms_eval(saved(tmp_path, rows))
    assert {name: one.mean for name, one in found.recorded.items()} == {"gqa": 0.5}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"filtered_resps": {}}, "key 'filtered_resps'"),
        ({"target": 3}, "key 'target'"),
        ({"doc_id": None}, "key 'doc_id'"),
    ],
)
def test_a_broken_twin_of_lmms_eval_is_placed(tmp_path: Path, change: Row, where: str) -> None:
    path = saved(tmp_path, [lmms_row(0, "B", "B"), lmms_row(1, "B", "B") | change])
    with pytest.raises(UserError) as caught:
        read_lmms_eval(path)
    assert f"{path}, row 2, {where}" in str(caught.value)
