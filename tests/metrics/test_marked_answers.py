"""Short answers however they are marked: read as what they say, never broken."""

import hypothesis
import pytest
from hypothesis import strategies as st

from smllmun_bench.metrics.choice import parse_choice, parse_yes_no
from smllmun_bench.metrics.marks import unmarked
from smllmun_bench.metrics.match import exact, key_fact
from smllmun_bench.metrics.states import AnswerState, State, answer_state, broken_reason
from smllmun_bench.schema import Kind

CITIES = ("Lyon", "Oslo", "Rome", "Lima")
WRAPS = (
    *("({})", "[{}]", "{{{}}}", '"{}"', "“{}”", "'{}'", "「{}」", "（{}）", "«{}»", "{}"),
    *("**{}**", "*{}*", "_{}_", "__{}__", "***{}***", "`{}`", "```{}```", "- {}", "# {}", "> {}"),
    *("${}$", "$${}$$", "\\({}\\)", "\\[{}\\]", "\\boxed{{{}}}", "\\text{{{}}}", "<b>{}</b>", "<answer>{}</answer>"),
)
LINES = ("- ", "# ", "> ")
ENDS = ("", ".", "…", "...", "!", ":")

marked = st.tuples(st.sampled_from(WRAPS), st.sampled_from(WRAPS), st.sampled_from(ENDS), st.booleans())


def _marked(said, marking):
    inner, outer, end, inside = marking
    if inner[0] == outer[0] or inner[:2] in LINES:
        inner = "{}"  # nobody sets math into math, or a list into a box
    return outer.format(inner.format(said + end)) if inside else outer.format(inner.format(said)) + end


@hypothesis.given(st.integers(0, 3), marked)
@hypothesis.settings(deadline=None, max_examples=400)
def test_a_letter_is_read_however_it_is_marked(option, marking):
    text = _marked("ABCD"[option], marking)
    assert parse_choice(text, CITIES) == option, text
    assert broken_reason(text) is None, text
    found = answer_state(text, kind=Kind.CHOICE, answer=CITIES[option], choices=CITIES)
    assert found == AnswerState(State.CORRECT), text


@hypothesis.given(st.booleans(), marked)
@hypothesis.settings(deadline=None, max_examples=400)
def test_yes_and_no_are_read_however_they_are_marked(yes, marking):
    text = _marked("Yes" if yes else "No", marking)
    assert parse_yes_no(text) is yes, text
    assert answer_state(text, kind=Kind.YESNO, answer="yes" if yes else "no").state is State.CORRECT, text


@hypothesis.given(st.sampled_from(["5", "1991", "12", "Ulm", "Bo", "Port Nicholas"]), marked)
@hypothesis.settings(deadline=None, max_examples=400)
def test_numbers_and_words_are_read_however_they_are_marked(said, marking):
    text = _marked(said, marking)
    assert key_fact(text, [said]) == 1, text
    assert answer_state(text, kind=Kind.OPEN, answer=said).state is State.CORRECT, text
    wrong = answer_state(text, kind=Kind.OPEN, answer="Oslo", question="How many, or where?")
    assert wrong == AnswerState(State.WRONG), text


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("~42%…", "42%"),
        ("(C#).", "C#"),
        ("…Rome!!!", "Rome"),
        ("**3–5**", "3-5"),
        ("\\text{Ulm}", "Ulm"),
        ("$5$.", "5"),
        ("**$70**", "$70"),
        ("$\\frac{1}{2}$", "1/2"),
        ("$50\\%$", "50%"),
        ("__Paris__", "Paris"),
    ],
)
def test_marked_words_and_numbers(text, truth):
    assert broken_reason(text) is None
    assert key_fact(text, [truth]) == 1
    assert answer_state(text, kind=Kind.OPEN, answer="Oslo", question="How many?").state is State.WRONG


@pytest.mark.parametrize(
    "text", ["**Paris**.", "`Paris`", "\\boxed{\\text{Paris}}", "<answer>Paris</answer>", "_Paris_"]
)
def test_marking_is_no_part_of_an_exact_answer(text):
    assert exact(text, ["Paris"]) == 1


@pytest.mark.parametrize(
    "text", ["$5 or $6", "US$5/US$6", "2*3*4", "snake_case_name", "C++ and C#", "x* is not y*", "a < b > c", "5 - 3"]
)
def test_what_is_no_marking_stays(text):
    assert unmarked(text) == text


@pytest.mark.parametrize("text", ["!!!!???? a", "@@@@ x", "()()()()a", "....", "$$$$$$ a $$$$$$", "{}{}{a}{}{}[]"])
def test_symbols_are_still_no_language(text):
    assert broken_reason(text) is not None
