"""Sample logs of lm-evaluation-harness and lmms-eval, written here in their layout, each with a broken twin."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
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
    assert (list(found.recorded), found.figures, found.left_out) == (["exact_match"], {}, ("bleu",))


# -- what is right, where the log says so ------------------------------------------------------------------------------


def weighed(target: str, *logprobs: float, doc: Row | None = None, **metrics: object) -> Row:
    pairs = [[str(value), "False"] for value in logprobs]
    names = {"metrics": list(metrics)} | metrics
    return {
        "doc_id": 0,
        "doc": doc or {},
        "target": target,
        "resps": [],
        "filtered_resps": pairs,
        "filter": "none",
    } | names


TEXTS = {"text": ["bank", "library", "store"], "label": ["A", "B", "C"]}


@pytest.mark.parametrize(
    ("row", "right"),
    [
        (weighed("B", -3, -1, -4, -5, -6, acc=1.0), 1),  # commonsense_qa
        (weighed("C", -1, -2, -4, -5, -6, acc=0.0), 0),
        (weighed("B", -3, -1, -4, doc={"choices": TEXTS}), 1),
        (weighed("E", -3, -1, -4, doc={"choices": TEXTS | {"label": ["D", "E", "F"]}}), 1),
        (weighed("library", -3, -1, -4, doc={"choices": TEXTS}), 1),
        (weighed("library", -3, -1, -4, doc={"choices": TEXTS["text"]}), 1),
        (weighed("was too small.", -9.5, -7.25, doc={"answer": "2"}, acc=1.0), 1),  # winogrande
        (weighed("was too small.", -9.5, -7.25, doc={"answer": "1"}, acc=0.0), 0),
        (weighed("1", -3, -1), 1),
        (weighed("12", -3, -1, -4, doc={"choices": ["10", "12", "14"]}), 1),  # no number of an option, but one's text
    ],
)
def test_letters_labels_and_texts_are_mapped_to_options(tmp_path: Path, row: Row, right: int) -> None:
    (found,) = read_lm_eval(saved(tmp_path, [row]))
    assert found.accuracy is not None
    assert (found.form, found.accuracy.mean, found.differs) == ("options", right, 0)


MC2 = {"mc2_targets": {"choices": ["a", "b", "c"], "labels": [1, 1, 0]}}
SOLUTION = "He has 12 boxes of 4, 12*4=<<12*4=48>>48\n#### 48"


ROLLING = text_row(0, "-1000.5", "some page", "none", 0.0) | {
    "metrics": ["word_perplexity"],
    "word_perplexity": [-9, 4],
}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (text_row(0, "48", SOLUTION, "flexible-extract", 1.0), "no bare answers"),
        (text_row(0, "9", "#### 9", "flexible-extract", 1.0), "no bare answers"),
        (text_row(0, "Oslo", "['Oslo', 'Kristiania']", "none", 1.0), "no bare answers"),
        (text_row(0, "Oslo", "('Oslo',)", "none", 1.0), "no bare answers"),
        (text_row(0, "x", "A man walks his dog along a beach at noon.", "none", 0.0), "no bare answers"),
        (text_row(0, "x", "", "none", 0.0), "no targets"),
        (text_row(0, "x", "None", "none", 0.0), "no targets"),
        (weighed("0", -3, -0.5, -2, doc=MC2, acc=0.84), "which one option is right"),
        (weighed("0", -3, -0.5, -2, acc=0.84), "are shares"),
        (weighed("[0, 1]", -3, -0.5, -2, acc=1.0), "which one option is right"),
        (weighed("four", -3, -0.5, -2, acc=1.0), "which one option is right"),
        (weighed("1", -3, -0.5, -2, -1, acc=1.0, acc_mutual_info=1.0), "unconditional"),
        (weighed(" lamp", -0.25, perplexity=-0.25, acc=1), "nothing was answered"),
        (weighed(" lamp", -0.25, acc=1), "nothing was answered"),
        (ROLLING, "nothing was answered"),
    ],
)
def test_no_accuracy_of_ours_where_the_log_has_no_bare_answer(tmp_path: Path, row: Row, why: str) -> None:
    path = saved(tmp_path, [row])
    (found,) = read_lm_eval(path)
    assert (found.accuracy, found.chance_corrected, found.unparsed, found.differs) == (None, None, None, 0)
    assert why in found.no_accuracy
    shown = CliRunner().invoke(app, ["score", "--format", "lm-eval", str(path)])
    assert shown.exit_code == 0
    assert "accuracy (ours)" not in shown.stdout
    assert why in shown.stdout


def test_older_logs_keep_the_type_of_the_target(tmp_path: Path) -> None:
    rows = [weighed("1", -3, -1) | {"target": 1}, weighed("0", -3, -1) | {"target": 0, "doc_id": 1}]
    (found,) = read_lm_eval(saved(tmp_path, rows))
    assert (found.form, found.accuracy and found.accuracy.mean) == ("options", 0.5)
    (listed,) = read_lm_eval(saved(tmp_path, [text_row(0, "Oslo", "", "none", 1.0) | {"target": ["Oslo"]}]))
    assert listed.accuracy is None
    with pytest.raises(UserError, match="expected a target"):
        read_lm_eval(saved(tmp_path, [rows[0] | {"target": {}}]))


def test_letters_among_short_answers_are_read_as_letters(tmp_path: Path) -> None:
    """MMMU: most questions are choices, some are open."""
    pairs = [("(B)", "B"), ("The answer is C.", "C"), ("D", "A"), ("1,200", "1,200"), ("two", "three")]
    (found,) = read_lmms_eval(saved(tmp_path, [lmms_row(n, *pair) for n, pair in enumerate(pairs)]))
    assert (found.form, found.accuracy and found.accuracy.mean) == ("letter or text", 0.6)


def test_one_row_without_a_bare_answer_is_enough(tmp_path: Path) -> None:
    rows = [text_row(0, "48", "48", "none", 1.0), text_row(1, "48", SOLUTION, "none", 1.0)]
    assert read_lm_eval(saved(tmp_path, rows))[0].accuracy is None


# -- figures of the whole set ------------------------------------------------------------------------------------------


def test_perplexities_are_of_the_set(tmp_path: Path) -> None:
    """exp of minus the mean of −.25, −.5, −7.5, −.1; exp(1900.75 / 800); the second in bits."""
    rows = [
        weighed("x", value, perplexity=value, acc=int(value > -1)) | {"doc_id": n}
        for n, value in enumerate((-0.25, -0.5, -7.5, -0.1))
    ]
    (found,) = read_lm_eval(saved(tmp_path, rows))
    assert found.figures == {"perplexity": pytest.approx(8.0647, abs=1e-4)}
    assert found.recorded["acc"].mean == 0.75
    names = ("word_perplexity", "byte_perplexity", "bits_per_byte", "bleu")
    rows = [
        text_row(n, str(nats), "page", "none", 0.0) | {"metrics": list(names)} | {name: [nats, 400] for name in names}
        for n, nats in enumerate((-1000.5, -900.25))
    ]
    (found,) = read_lm_eval(saved(tmp_path, rows))
    per_word = 1900.75 / 800
    assert found.figures == {
        "word_perplexity": pytest.approx(math.exp(per_word)),
        "byte_perplexity": pytest.approx(math.exp(per_word)),
        "bits_per_byte": pytest.approx(per_word / math.log(2)),
    }
    assert (dict(found.recorded), found.left_out) == ({}, ("bleu",))
    cut = [rows[0], rows[1] | {"word_perplexity": -9.0, "byte_perplexity": [-1e9, 1]}]
    (found,) = read_lm_eval(saved(tmp_path, cut))
    assert set(found.figures) == {"bits_per_byte"}  # a weight is missing; a figure that is no float


POPE = ("pope_accuracy", "pope_precision", "pope_recall", "pope_f1_score", "pope_yes_ratio")


def pope_row(doc_id: int, said: str, truth: str) -> Row:
    entry = {"question_id": str(doc_id), "score": float(said == truth), "prediction": said, "ground_truth": truth}
    return lmms_row(doc_id, said.title(), truth, **dict.fromkeys(POPE, entry))


def test_pope_has_its_own_formulas(tmp_path: Path) -> None:
    """3 hits, 2 false alarms, 1 miss, 2 rejections, 2 that are neither: .5, 3/5, 3/4, 2/3; truth is yes in 5 of 10."""
    pairs = [("yes", "yes")] * 3 + [("yes", "no")] * 2 + [("no", "yes")] + [("no", "no")] * 2
    pairs += [("maybe", "yes"), ("", "no")]
    path = saved(tmp_path, [pope_row(n, *pair) for n, pair in enumerate(pairs)])
    (found,) = read_lmms_eval(path)
    assert found.figures == pytest.approx(
        {"pope_precision": 0.6, "pope_recall": 0.75, "pope_f1_score": 2 / 3, "pope_yes_ratio": 0.5}
    )
    assert {name: one.mean for name, one in found.recorded.items()} == {"pope_accuracy": 0.5}
    shown = CliRunner().invoke(app, ["score", "--format", "lmms-eval", str(path)]).stdout
    assert "pope_recall" in shown
    assert "0.7500" in shown


def mme_row(doc_id: int, image: str, category: str, score: float, name: str = "mme_perception_score") -> Row:
    entry = {"question_id": image, "category": category, "score": score}
    return lmms_row(doc_id, "Yes", "Yes" if score else "No", **{name: entry})


@pytest.mark.parametrize("name", ["mme_perception_score", "mme_percetion_score", "mme_cognition_score"])
def test_mme_is_a_sum_over_categories(tmp_path: Path, name: str) -> None:
    """existence: (R,R) and (R,W) -> 75 + 50; count: (W,R) -> 50 + 0."""
    marks = [("p0", "existence", 1), ("p0", "existence", 1), ("p1", "existence", 1), ("p1", "existence", 0)]
    marks += [("p2", "count", 0), ("p2", "count", 1)]
    rows = [mme_row(n, *mark, name) for n, mark in enumerate(marks)]
    (found,) = read_lmms_eval(saved(tmp_path, rows))
    assert (found.figures, dict(found.recorded), found.left_out) == ({name: 175}, {}, ())
    (cut,) = read_lmms_eval(saved(tmp_path, rows[:5]))  # cut short by a limit: an image has one question
    assert (cut.figures, cut.left_out) == ({}, (name,))


def test_a_set_with_a_formula_of_its_own_is_not_averaged(tmp_path: Path) -> None:
    entry = {"question_id": "v1_0", "score": 0.5, "capabilities": "ocr,math"}
    (found,) = read_lmms_eval(saved(tmp_path, [lmms_row(0, "x", "x", gpt_eval_score=entry)]))
    assert (dict(found.recorded), found.left_out) == ({}, ("gpt_eval_score",))


def test_options_of_lmms_eval_are_losses(tmp_path: Path) -> None:
    """Its models return mean losses, of which the least is the choice; some return log-probabilities."""
    rows = [
        lmms_row(0, [["2.5", "False"], ["0.3", "True"], ["4.0", "False"]], "1", acc=1),
        lmms_row(1, [["-2.5", "False"], ["-0.3", "True"], ["-4.0", "False"]], "1", acc=1),
    ]
    (found,) = read_lmms_eval(saved(tmp_path, rows))
    assert found.accuracy is not None
    assert (found.form, found.accuracy.mean, found.differs) == ("options", 1.0, 0)
    mixed = lmms_row(0, [["2.5", "False"], ["-0.3", "True"]], "1", acc=1)
    with pytest.raises(UserError, match=r"2\.5 is no log-probability"):
        read_lmms_eval(saved(tmp_path, [mixed]))


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
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


def test_names_out_of_a_log_move_no_cursor(tmp_path: Path) -> None:
    row = text_row(0, "48", SOLUTION, "\x1b[31m[/red]", 1.0) | {"metrics": ["\x1b]0;x\x07"], "\x1b]0;x\x07": ["x"]}
    shown = CliRunner().invoke(app, ["score", "--format", "lm-eval", str(saved(tmp_path, [row]))])
    assert shown.exit_code == 0
    assert "\x1b" not in shown.stdout
    assert "\\x1b[31m[/red]: 1 rows" in shown.stdout
