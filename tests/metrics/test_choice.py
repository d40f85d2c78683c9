"""What is read as a choice, and as yes or no: statements of the rule, and answers as models write them."""

import hypothesis
import pytest
from hypothesis import strategies as st

from smllmun_bench.metrics.choice import UNPARSED, parse_choice, parse_yes_no, right_choices

CITIES = ("Lyon", "Oslo", "Rome", "Lima")
PEOPLE = ("Maria B. Lopez", "John A. Smith", "Peter D. Gray", "Ann C. Wu")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (PEOPLE, ("Peter D. Gray", "John A. Smith", "The person is Ann C. Wu.", "Maria B. Lopez")),
        (("Vitamin C", "Vitamin D", "Vitamin B", "Vitamin A"), ("Vitamin C", "It is vitamin C.", "vitamin A")),
        (("type B", "type O", "type A", "type AB"), ("type A", "Blood type B", "type AB.")),
        (("Plan A", "Plan C", "Plan B"), ("Plan B", "It is called Plan C.")),
        (("D minor", "G major", "C major"), ("C major", "The key is C major")),
        (("Mary II", "Elizabeth I", "Mary I"), ("Mary I", "It is Mary I.", "Elizabeth I")),
    ],
)
def test_an_options_text_is_read_before_letters_inside_it(options, named):
    for text in named:
        wanted = max((o for o in options if o.casefold() in text.casefold()), key=len)
        assert parse_choice(text, options) == options.index(wanted), text


@pytest.mark.parametrize(
    "reply", ["She takes Vitamin C", "John D. Smith", "Plan B", "in C major", "Hepatitis B", "C++"]
)
def test_a_letter_of_a_name_is_no_choice(reply):
    assert parse_choice(reply, CITIES) is UNPARSED


@pytest.mark.parametrize(
    "reply",
    [
        "It is not B",
        "Not B.",
        "not option C, but I am unsure",
        "It can't be B",
        "B is wrong",
        "B isn't right",
        "I don't think it is B",
        "Neither B nor C",
        "All except B",
        "It's not Oslo",
        "Oslo is incorrect",
        "It is never Oslo",
        "She does not live in Oslo",
        "Answer: B or C",
        "A and B",
        "not (B)",
        "**Not B**",
        "I doubt it is B",
        "Anything but B",
        "The answer is anything but B",
        "All but Oslo",
        "It is unlikely to be B",
        "B is unlikely",
        "far from Oslo",
        "B? No.",
        "The wrong answer is B",
        "The incorrect option is B",
        "no longer Oslo",
        "B不对",
        "B是错的",
        "Bではない",
        "B가 아닙니다",
        "не B",
        "no es B",
        "Nicht B",
        "ليس B",
        "B नहीं",
        "ไม่ใช่ B",
        "Ce n'est pas Oslo",
    ],
)
def test_what_is_negated_is_not_chosen(reply):
    assert parse_choice(reply, CITIES) is UNPARSED


@pytest.mark.parametrize(
    "reply",
    [
        "Oslo, not Rome",
        "Rome? No, Oslo.",
        "Without a doubt Oslo",
        "No doubt it is B",
        "None other than Oslo",
        "Ответ: B",
        "정답은 B입니다",
        "答えはBです",
        "B, not C",
        "not C, but B",
        "The answer is B. A is a distractor.",
        "Option B is right, C is not.",
        "I considered (A), but it is wrong. Final answer: B.",
        "the answer is b",
        "Option B!",
        "答案是B。",
        "选B",
        "Ｂ",
        "（B）",
        "B\u200b",
        "\ufeffB",
        "B、Oslo",
        "Answer:B",
        "Oslo (B)",
        "B because I counted",
        "Definitely B",
        "Select B.",
    ],
)
def test_the_affirmed_one_is_chosen(reply):
    assert parse_choice(reply, CITIES) == 1


@pytest.mark.parametrize(
    "reply",
    [
        "Not Lyon, Rome or Lima but Oslo",
        "Not Lyon, Rome, or Lima, but Oslo.",
        "It is not Lyon, Rome or Lima. It is Oslo.",
        "Not Lyon, Rome, Lima but Oslo",
        "Not Lyon, Rome but Oslo",
        "Neither Lyon, Rome nor Lima; Oslo",
        "Oslo, not Lyon, Rome or Lima",
        "She does not live in Lyon, in Rome or in Lima, but in Oslo.",
        "Not A, C or D but B",
        "Not A, C, D: B",
        "B, not A, C or D",
        "Not (A), (C) or (D) but (B)",
        "Not A) Lyon, C) Rome or D) Lima but B) Oslo",
        "Not Lyon, Oslo",
        "It is not Lyon, and Oslo is right",
    ],
)
def test_of_a_negated_list_and_an_affirmed_option_the_affirmed_one_is_chosen(reply):
    assert parse_choice(reply, CITIES) == 1


@pytest.mark.parametrize(
    "reply", ["Not Lyon, Rome or Lima", "Not Lyon, Oslo, Rome or Lima", "Not A, B, C or D", "Not A, but B or C"]
)
def test_a_negated_list_alone_is_no_choice(reply):
    assert parse_choice(reply, CITIES) is UNPARSED


@pytest.mark.parametrize("reply", ["A) Lyon B) Oslo C) Rome D) Lima", "A. Lyon B. Oslo C. Rome", "A Lyon, B Oslo"])
def test_all_options_are_no_choice(reply):
    assert parse_choice(reply, CITIES) is UNPARSED


def test_a_letter_on_a_line_of_its_own_is_the_answer():
    assert parse_choice("B\n\nExplanation: A city in Norway, not C.", CITIES) == 1
    assert parse_choice("A\nB", CITIES) is UNPARSED


@pytest.mark.parametrize(
    ("options", "reply", "chosen"),
    [
        (("x", "x*", "x+"), "x*", 1),
        (("x", "x*", "x+"), "x", 0),
        (("x", "x*", "x+"), "It is x+.", 2),
        (("x", "x*", "x+"), "It is x.", 0),
        (("PM", "pm"), "pm", 1),
        (("PM", "pm"), "It is PM", 0),
        (("'x'", "x"), "'x'", 0),
        (("x", '"x"'), "“x”", 1),
        (("5", "-5"), "It is -5", 1),
        (("resume", "résumé"), "résumé", 1),
        (("Paris", "Paris", "Rome"), "Paris", UNPARSED),
        (("Paris", "Paris", "Rome"), "B", 1),
        (("Paris", "Paris", "Rome"), "B. Paris", 1),
    ],
)
def test_options_that_look_alike_are_told_apart(options, reply, chosen):
    assert parse_choice(reply, options) == chosen


@pytest.mark.parametrize(
    ("answer", "options", "right"),
    [
        ("x*", ("x", "x*", "x+"), {1}),
        ("x", ("x", "x*", "x+"), {0}),
        ("pm", ("PM", "pm"), {1}),
        ("dog.", ("cat", "dog"), {1}),
        ("B", ("cat", "dog"), {1}),
        ("cow", ("cat", "dog"), set()),
        ("-5", ("5", "-5"), {1}),
    ],
)
def test_the_right_option_is_the_one_that_is_spelled(answer, options, right):
    assert right_choices(answer, options) == right


alike = st.lists(st.text("xX'\"*+-. ", min_size=1, max_size=4).filter(str.strip), min_size=2, max_size=5, unique=True)


@hypothesis.given(alike, st.data())
@hypothesis.settings(deadline=None, max_examples=400)
def test_different_texts_are_different_options(options, data):
    """Each option's own text is the answer of that option alone, and each letter chooses its own."""
    options = [option.strip() for option in options]
    hypothesis.assume(len(set(options)) == len(options))
    place = data.draw(st.integers(0, len(options) - 1))
    assert right_choices(options[place], options) == {place}
    assert parse_choice("ABCDE"[place], options) == place
    if len(options[place].strip(".*'\"+- ")) != 1 or options[place].strip(".*'\"+- ").upper() not in "ABCDE":
        assert parse_choice(options[place], options) in (place, UNPARSED)


@pytest.mark.parametrize(
    "reply",
    [
        "No doubt",
        "There is no doubt.",
        "No. 5",
        "no 5",
        "It is house no. 5",
        "not no",
        "I have no idea",
        "yes and no",
        "Yes or no",
        "yes/no",
        "Yes, no",
        "No, yes.",
        "The answer is not no",
        "I would not say yes",
        "It's not a no",
        "no one knows",
        "No longer",
        "No problem",
        "Neither yes nor no",
        "No... actually yes",
        "no-one",
        "Not a yes",
        "",
        "It is not true that there is no dog",
        "No matter what",
        "Don't say no",
        "It is no secret",
        "Yes, but no",
        "Far from yes",
        "Anything but yes",
        "I doubt it is a yes",
        "James Bond in Dr. No",
        "The word 'no' is on the sign",
        "The sign says no",
        "She said no to him",
        "No later than May",
        "No big deal",
        "No worries",
        "No thanks",
        "No° 5",
        "Is it yes?",
    ],
)
def test_no_clear_yes_or_no_is_unparsed(reply):
    assert parse_yes_no(reply) is UNPARSED


@pytest.mark.parametrize(
    ("reply", "yes"),
    [
        ("Yes, there is no dog", True),
        ("Yes, no doubt.", True),
        ("It is not red, so yes", True),
        ("Well, yes.", True),
        ("There is no dog.", False),
        ("No, it is not.", False),
        ("No, 5 dogs", False),
        ("The answer is no", False),
        ("No, no, no.", False),
        ("I see no dog in the picture", False),
        ("I would say no.", False),
        ("There is no sign of a dog", False),
        ("No, she is no longer there.", False),
    ],
)
def test_a_clear_yes_or_no_is_read(reply, yes):
    assert parse_yes_no(reply) is yes
