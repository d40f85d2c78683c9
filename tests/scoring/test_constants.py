"""One string for everything is broken; a right or a wrong answer that happens to be short is not."""

import pytest

from smllmun_bench.metrics.states import State
from smllmun_bench.schema import Item, Kind, Modality, Prediction, Role
from smllmun_bench.scoring.items import score_items
from smllmun_bench.tasks import MetricPlan

PLAN = {
    Kind.CHOICE: MetricPlan(headline="choice_text", also=()),
    Kind.YESNO: MetricPlan(headline="yesno", also=()),
    Kind.OPEN: MetricPlan(headline="key_fact", also=()),
}
CITIES = ("Oslo", "Rome")
FORMS = {
    "letter": "{letter}",
    "bracketed": "({letter}).",
    "bold": "**{letter}**",
    "letter and text": "{letter}. {text}",
    "text": "{text}",
    "sentence": "The answer is {letter}.",
    "sentence of text": "She lives in {text}.",
}


def _asked(role, number, **more):
    place = f"{role.value}{number}"
    return Item(place, "b", place, role, Modality.TEXT, question=f"Where does {place} live?", **more)


def _scores(items, texts):
    return score_items(items, [Prediction(i.item_id, "r", t) for i, t in zip(items, texts, strict=True)], PLAN)


def _choices(n=10, options=CITIES):
    return [
        _asked(role, k, kind=Kind.CHOICE, answer=options[k % len(options)], choices=options)
        for role in (Role.FORGET, Role.RETAIN)
        for k in range(n)
    ]


def _reply(form, items, place):
    return [FORMS[form].format(letter="ABCD"[place(i)], text=i.choices[place(i)]) for i in items]


@pytest.mark.parametrize("form", FORMS)
def test_a_perfect_model_on_balanced_choices_of_two_is_not_broken(form):
    items = _choices()
    scores = _scores(items, _reply(form, items, lambda i: i.choices.index(i.answer)))
    assert {(score.state, score.headline) for score in scores} == {("correct", 1.0)}


@pytest.mark.parametrize("form", FORMS)
def test_a_model_that_is_wrong_on_every_forgotten_question_has_forgotten_them(form):
    items = _choices()
    scores = _scores(
        items, _reply(form, items, lambda i: (i.choices.index(i.answer) + (i.role is Role.FORGET)) % len(i.choices))
    )
    assert {(score.role, score.state, score.headline) for score in scores} == {
        (Role.FORGET, "wrong", 0.0),
        (Role.RETAIN, "correct", 1.0),
    }


@pytest.mark.parametrize("form", FORMS)
def test_one_option_of_four_for_everything_is_broken(form):
    options = ("Oslo", "Rome", "Lima", "Lyon")
    items = _choices(12, options)
    assert {score.state for score in _scores(items, _reply(form, items, lambda i: 0))} == {State.BROKEN}


@pytest.mark.parametrize("forms", [("Yes, it is.", "No, it is not."), ("**Yes**", "**No**"), ("yes", "no")])
def test_a_perfect_model_on_balanced_yes_and_no_is_not_broken(forms):
    items = [_asked(Role.RETAIN, k, kind=Kind.YESNO, answer=("yes", "no")[k % 2]) for k in range(10)]
    assert {score.state for score in _scores(items, [forms[k % 2] for k in range(10)])} == {State.CORRECT}


def test_a_perfect_model_that_answers_in_sentences_is_not_broken():
    items = [_asked(Role.RETAIN, k, kind=Kind.OPEN, answer=CITIES[k % 2]) for k in range(10)]
    assert {s.state for s in _scores(items, [f"She lives in {i.answer}." for i in items])} == {State.CORRECT}
