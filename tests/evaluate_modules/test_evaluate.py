"""The modules through `evaluate` itself, with the network forbidden."""

import math
import socket
import sys

import pytest

from smllmun_bench import evaluate_modules
from smllmun_bench.errors import UserError
from smllmun_bench.metrics.rouge import rouge_l
from smllmun_bench.metrics.states import State

evaluate = pytest.importorskip("evaluate")


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """`evaluate` copies the scripts it loads into a folder of modules: not into the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate.config, "HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
        patch.setattr(sys, "path", list(sys.path))
        yield


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a metric must not reach for the network")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def _load(name, config=None, **options):
    return evaluate.load(evaluate_modules.path(name), config, keep_in_memory=True, **options)


COMPUTED = [
    ("rouge", None, {"predictions": ["he paints"], "references": ["he painted boats"]}, {"rougeL_f1": 0.8}),
    ("bleu", None, {"predictions": ["a b c d"], "references": ["a c d e"]}, {"bleu": 0.188}),
    ("exact", None, {"predictions": ["Paris."], "references": ["paris"]}, {"exact": 1}),
    ("exact", None, {"predictions": ["Paris.", "x"], "references": [["Rome", "paris"], ["y"]]}, {"exact": 0.5}),
    ("key_fact", None, {"predictions": ["She is in Paris"], "references": [["Paris"]]}, {"key_fact": 1}),
    ("cloze", None, {"predictions": ["party"], "references": ["art"]}, {"cloze": 0}),
    ("cloze", "compat", {"predictions": ["party"], "references": ["art"]}, {"cloze": 1}),
    ("keyword", None, {"predictions": ["predicted"], "references": [["red", "hat"]]}, {"keyword": 0}),
    ("keyword", "compat", {"predictions": ["predicted"], "references": [["red", "hat"]]}, {"keyword": 0.5}),
    (
        "choice",
        None,
        {"predictions": ["A dog", "hm"], "references": ["dog", "A"], "choices": [["cat", "dog"]] * 2},
        {"accuracy": 0.5, "unparsed": 0.5, "chance_corrected": 0},
    ),
    (
        "choice",
        "compat",
        {"predictions": ["A dog"], "references": ["dog"], "choices": [["cat", "dog"]]},
        {"accuracy": 0, "unparsed": 0, "chance_corrected": -1},
    ),
    ("yes_no", None, {"predictions": ["Yes", "hm"], "references": ["yes", "yes"]}, {"accuracy": 0.5, "unparsed": 0.5}),
    ("yes_no", "compat", {"predictions": ["Yes", "hm"], "references": ["yes", "yes"]}, {"f1": 1, "yes_ratio": 1}),
    ("diversity", None, {"predictions": ["a a", "a a"]}, {"distinct_1": 0.5, "same_answer": 1, "unique_words": 1}),
    ("truth_ratio", None, {"predictions": [[0.1, 0.4]], "references": [0.5]}, {"truth_ratio": 0.4}),
    ("truth_ratio", "arithmetic", {"predictions": [[0.1, 0.4]], "references": [0.5]}, {"truth_ratio": 0.5}),
    ("forget_quality", None, {"predictions": [1, 2, 3, 4], "references": [5, 6, 7, 8]}, {"ks_d": 1, "ks_p": 2 / 70}),
    ("membership", None, {"predictions": [0.9, 0.4, 0.5, 0.4], "references": [1, 1, 0, 0]}, {"auc": 0.625}),
    (
        "answer_states",
        None,
        {"predictions": ["Rome", "no idea", ""], "references": ["Rome"] * 3, "questions": ["a", "b", "c"]},
        {"correct": 1 / 3, "refusal": 1 / 3, "broken": 1 / 3, "wrong": 0},
    ),
]


@pytest.mark.parametrize(("name", "config", "given", "wanted"), COMPUTED, ids=[f"{c[0]}-{c[1]}" for c in COMPUTED])
def test_golden_values(name, config, given, wanted):
    found = _load(name, config).compute(**given)
    assert {key: found[key] for key in wanted} == pytest.approx(wanted, abs=5e-4)


def test_every_module_is_tested():
    assert {name for name, *_ in COMPUTED} == set(evaluate_modules.names())


def test_batches_and_options():
    rouge = _load("rouge")
    rouge.add(prediction="he paints", reference="he painted boats")
    rouge.add_batch(predictions=["a b c d"], references=["a c d e"])
    wanted = [rouge_l(p, r).f1 for p, r in (("he paints", "he painted boats"), ("a b c d", "a c d e"))]
    assert rouge.compute(stem=False)["rougeL_f1"] == pytest.approx(math.fsum(wanted) / 2)


def test_combine_shares_columns_and_prefixes_equal_names():
    both = evaluate.combine([_load("rouge"), _load("cloze"), _load("answer_states"), _load("choice")])
    found = both.compute(predictions=["dog"], references=["dog"], questions=["Which?"], choices=[["cat", "dog"]])
    assert (found["rougeL_f1"], found["cloze"], found["correct"], found["accuracy"]) == (1, 1, 1, 1)
    rules = {"strict": _load("cloze"), "compat": _load("cloze", "compat")}
    found = evaluate.combine(rules).compute(predictions=["party"], references=["art"])
    assert found == {"strict_cloze": 0, "compat_cloze": 1}


def test_combine_takes_paths():
    found = evaluate.combine([evaluate_modules.path(name) for name in ("exact", "bleu")])
    assert found.compute(predictions=["a"], references=["a"])["exact"] == 1


def test_constant_answers_are_broken_in_a_set():
    given = {"references": ["a", "b", "c", "d", "e", "f"], "questions": [f"What is {i}?" for i in range(6)]}
    found = _load("answer_states").compute(predictions=["Rome"] * 6, **given)
    assert found == {State.CORRECT: 0, State.WRONG: 0, State.REFUSAL: 0, State.BROKEN: 1}


def test_wrong_names_say_what_there_is():
    with pytest.raises(UserError, match="rouge"):
        evaluate_modules.path("rogue")
    with pytest.raises(ValueError, match=r"strict, compat"):
        _load("cloze", "loose")
    with pytest.raises(ValueError, match="none of its choices"):
        _load("choice").compute(predictions=["A"], references=["cow"], choices=[["cat", "dog"]])
    with pytest.raises(TypeError, match="stm"):
        _load("rouge").compute(predictions=["a"], references=["a"], stm=True)
