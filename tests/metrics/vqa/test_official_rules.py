"""Each official rule against a second statement of it, written here from its description, on thousands of replies.

The statements scan characters where ours uses expressions. Replies are put together from pieces that the rules look at.
"""

import math
import random
import string
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smllmun_bench.metrics import compat
from smllmun_bench.metrics.choice import UNPARSED, Choice
from smllmun_bench.metrics.vqa import options, soft, written, yesno
from smllmun_bench.metrics.vqa.normalise import evalai_normalise, vqa_normalise

ANIMALS = ("cat", "dog", "red car", "blue house")
EACH = 60  # replies for each seed
SEEDS = settings(max_examples=80, deadline=None)  # 4,800 replies for each rule
MARKS = (*".,:;!?()[]'\"-_=*# \n\t", "。", "—", "’", "é", "İ", "²", "\u0663")

LETTERED = (
    *"ABCDEabcdZ   ", "(A)", "(B)", "(B).", "A.", "B.", "C,", "D)", "D).", ":A", ":B.", "the", "The", "answer", "is",
    "The answer is ", "the answer is ", "Cat", "dog", "red car", "car", "Blue House", "I",
    *MARKS,
)  # fmt: skip
NUMBERED = (
    *"0123456789", "12", "1,234", "234", "1,2345", "3.14", ".5", "1e5", "2E-3", "e", "-", ",", ".", "x", "_", "so ",
    "is ",
    "=", " = ", "thus ", "Therefore ", "answer ", "could be ", "final ", "result ", "It ", "cat", "C", " ", "\n", ". A",
    "nan", "inf", *MARKS,
)  # fmt: skip
SPOKEN = ("yes", "no", "not", "Yes", "No", "NO", "y", "n", "nothing", "It ", "is ", " ", " ", *MARKS)
SHORT = (
    "two", "None", "ten", "the", "a", "An", "dont", "yall'll", "y'allll", "yall'd've", "y'alld've", "y'all'dve", "cat",
    "man's", "1,000", "3.5", "U.S.", ".5", "well-known", "." * 20, *"   ", *MARKS,
)  # fmt: skip
CONTRACTED = {
    "dont": "don't", "yall'll": "y'all'll", "y'allll": "y'all'll", "yall'd've": "y'all'd've", "y'alld've": "y'all'd've",
    "y'all'dve": "y'all'd've",
}  # fmt: skip
NUMBER_WORDS = {"none": "0", "zero": "0"} | {
    word: str(n)
    for n, word in enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 1)
}


def replies(pieces: Sequence[str], seed: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(pieces, k=draw.randrange(9))) for _ in range(EACH)]


def letter(name: str) -> Choice:
    """An option by its letter; anything else is nothing that can be right."""
    place = "ABCD".find(name) if name else -1
    return place if place >= 0 else UNPARSED


# -- choices -----------------------------------------------------------------------------------------------------------


def mmbench(text: str) -> Choice:
    """lmms-eval: bare letters A to E among the tokens, not if one of four or more tokens is A; then each marked form in
    turn; the first form that exactly one letter takes decides. Else the one option whose text occurs, any case."""
    tokens = text.split()
    shapes = [("", ""), ("", "."), ("", ","), ("", ":"), ("", ")"), ("", ")."), ("(", ")"), ("(", ").")]
    shapes += [(":", after) for after in ("", ",", ".", ")", ").")]
    if tokens.count("A") and len(tokens) >= 4:
        shapes = shapes[1:]
    for before, after in shapes:
        seen = {token[len(before)] for token in tokens if token in [before + one + after for one in "ABCDE"]}
        if len(seen) == 1:
            return letter(seen.pop())
    found = [name for name, option in zip("ABCD", ANIMALS, strict=True) if option in text.lower()]
    return letter(found[0]) if len(found) == 1 else UNPARSED


def mmmu(text: str) -> Choice:
    """MMMU: edge marks off, a space on both sides; then the rightmost bracketed letter, else the rightmost spaced one,
    else (more than five words) the rightmost option's text."""
    for mark in (",", ".", "!", "?", ";", ":", "'"):
        while text.startswith(mark):
            text = text[1:]
        while text.endswith(mark):
            text = text[:-1]
    text = " " + text + " "
    for wanted, said in (
        ([f"({name})" for name in "ABCD"], text),
        ([f" {name} " for name in "ABCD"], text),
        (list(ANIMALS) if len(text.split()) >= 6 else [], text.lower()),
    ):
        for start in range(len(said) - 1, -1, -1):
            for place, one in enumerate(wanted):
                if said.startswith(one, start):
                    return place
    return UNPARSED


def scienceqa(text: str) -> Choice:
    """A letter of any case and nothing else, a capital and a dot, or, once, "The answer is X" and any character."""
    said = text.strip()
    if len(said) == 1:
        return letter(said.upper())
    if len(said) > 1 and said[0] in string.ascii_uppercase and said[1] == ".":
        return letter(said[0])
    phrase, names, start = "The answer is ", [], 0
    while (at := said.find(phrase, start)) >= 0:
        tail = said[at + len(phrase) :]
        whole = len(tail) > 1 and tail[0] in string.ascii_uppercase and tail[1] != "\n"
        names += [tail[0]] if whole else []
        start = at + len(phrase) + 2 if whole else at + 1
    return letter(names[0]) if len(names) == 1 else UNPARSED


def seed_bench(text: str) -> Choice:
    """lmms-eval: the first character, any case."""
    said = text.strip()
    return letter(said[0].upper()) if said else UNPARSED


def offside(text: str) -> Choice:
    """The first "the answer is X" (t of any case, X of A to D); else a reply that is X, perhaps with a line's end."""
    phrase = "he answer is "
    for at in range(1, len(text)):
        if text[at - 1] in "Tt" and text.startswith(phrase, at) and text[at + len(phrase) :][:1] in tuple("ABCD"):
            return letter(text[at + len(phrase)])
    return letter(text[0]) if len(text) == 1 or (len(text) == 2 and text[1] == "\n") else UNPARSED


def open_mm(text: str) -> Choice:
    """In capitals, the first of A to F without a word character on either side; if no option, the first character."""
    said = text.strip().upper()
    alone = [c for at, c in enumerate(said) if c in "ABCDEF" and not word(said, at - 1) and not word(said, at + 1)]
    found = letter(alone[0]) if alone else UNPARSED
    return letter(said[:1]) if found is UNPARSED else found


@pytest.mark.parametrize(
    ("ours", "stated"),
    [
        (options.mmbench_official, mmbench),
        (options.mmmu_official, mmmu),
        (options.scienceqa_official, scienceqa),
        (options.seed_official, seed_bench),
        (compat.answer_is, offside),
        (compat.letter_in_capitals, open_mm),
    ],
)
@SEEDS
@given(seed=st.integers())
def test_choice_rules_on_all_replies(
    ours: Callable[[str, Sequence[str]], Choice], stated: Callable[[str], Choice], seed: int
) -> None:
    for text in replies(LETTERED, seed):
        assert ours(text, ANIMALS) == stated(text), repr(text)


@pytest.mark.parametrize(
    ("reply", "mmbench_reads", "scienceqa_reads", "seed_reads"),
    [
        ("The answer is (A).", 0, UNPARSED, UNPARSED),
        ("The answer is A.", 0, 0, UNPARSED),
        ("The answer is (B).", 1, UNPARSED, UNPARSED),
        ("The answer is B.", 1, 1, UNPARSED),
        ("b", UNPARSED, 1, 1),
        ("A dog is over there", 1, UNPARSED, 0),
        ("E", UNPARSED, UNPARSED, UNPARSED),
        ("E cat", UNPARSED, UNPARSED, UNPARSED),  # MMBench: E is read, so the text is not
    ],
)
def test_replies_that_were_lost(reply: str, mmbench_reads: Choice, scienceqa_reads: Choice, seed_reads: Choice) -> None:
    assert options.mmbench_official(reply, ANIMALS) == mmbench_reads
    assert options.scienceqa_official(reply, ANIMALS) == scienceqa_reads
    assert options.seed_official(reply, ANIMALS) == seed_reads


# -- MMMU's open questions ---------------------------------------------------------------------------------------------


def digits(text: str, at: int) -> int:
    """Where the run of digits that begins here ends."""
    while at < len(text) and text[at].isdecimal():
        at += 1
    return at


def word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] == "_")


def grouped(text: str, at: int) -> int:
    """1,234,567: one to three digits, not inside a word, then groups of three; the end is no inside of a word."""
    end = digits(text, at)
    if not 1 <= end - at <= 3 or word(text, at - 1):
        return 0
    last = 0
    while text[end : end + 1] == "," and digits(text, end + 1) >= end + 4:
        end += 4
        last = last if word(text, end) else end
    return last


def exponent(text: str, at: int) -> int:
    sign = at + 2 if text[at + 1 : at + 2] in ("+", "-") else at + 1
    return digits(text, sign) if text[at : at + 1] in ("e", "E") and digits(text, sign) > sign else 0


def scientific(text: str, at: int) -> int:
    whole = digits(text, at)
    if whole == at:
        return 0
    decimals = digits(text, whole + 1) if text[whole : whole + 1] == "." else whole
    return exponent(text, decimals if decimals > whole + 1 else whole)


def simple(text: str, at: int) -> int:
    """With decimals, or whole up to the end of a word; no exponent, comma or digit follows."""
    whole = digits(text, at)
    ends = []
    if text[whole : whole + 1] == "." and (end := digits(text, whole + 1)) > whole + 1:
        ends.append(end)
    if whole > at and not word(text, whole):
        ends.append(whole)
    free = [end for end in ends if not exponent(text, end) and text[end : end + 1] != ","]
    return free[0] if free else 0


def numbers(text: str, form: Callable[[str, int], int]) -> list[str]:
    found, at = [], 0
    while at < len(text):
        sign = text[at] == "-" and form(text, at + 1)
        end = sign or form(text, at)
        found += [text[at:end]] if end else []
        at = end or at + 1
    return found


def normal(text: str) -> list[str | float]:
    try:
        return [round(float(text.strip().replace(",", "")), 2)]
    except ValueError:
        said = text.strip().lower()
        return [" " + said, said + " "] if len(said) == 1 else [said]


def mmmu_open(text: str, answer: str) -> bool:
    """Lower case, then line by line: what follows the last of each marker, the shortest; "=" in the last line only."""
    whole = text.strip().strip(".").lower()
    lines, parts = whole.split("\n"), []
    markers = ["could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result "]
    for number, line in enumerate(lines, 1):
        kept: str | None = None
        for marker in markers + ["="] * (number == len(lines)):
            tail = line.split(marker)[-1].strip()
            if marker in line and (not kept or len(tail) < len(kept)):
                kept = tail
        if kept and kept not in list(":,.!?;'"):
            parts.append(kept)
    parts = parts or [whole]
    said = parts + [
        number for part in parts for form in (grouped, scientific, simple) for number in numbers(part, form)
    ]
    right = normal(answer)
    for one in (form for text in said for form in normal(text)):
        if isinstance(one, str) and any(isinstance(wanted, str) and wanted in one for wanted in right):
            return True
        if isinstance(one, float) and any(isinstance(wanted, float) and wanted == one for wanted in right):
            return True
    return False


@SEEDS
@given(seed=st.integers())
def test_open_questions_of_mmmu_on_all_replies(seed: int) -> None:
    draw = random.Random(seed)
    for text in replies(NUMBERED, seed):
        cut = sorted(draw.randrange(len(text) + 1) for _ in range(2))
        answers = ["5", "1,234", "1234", "234", "3.14", "100000", "-2", "cat", "c", text[cut[0] : cut[1]]]
        for answer in answers:
            assert written.mmmu_open_official(text, [answer]) == mmmu_open(text, answer), (text, answer)
        assert written.mmmu_open_official(text, answers) == max(mmmu_open(text, answer) for answer in answers)


# -- yes and no, short answers -----------------------------------------------------------------------------------------


def mme(text: str) -> object:
    said = text.lower().strip().replace(".", "")
    if said in ("y", "n"):
        return said == "y"
    at = [said[:4].find(one) >= 0 for one in ("yes", "no")]
    return True if at[0] else False if at[1] else UNPARSED


def pope(text: str) -> bool:
    """The first sentence without commas, cut at single spaces, has the word No, not or no."""
    sentence = text[: text.find(".")] if "." in text else text
    spaced = f" {sentence.replace(',', '')} "
    return not any(f" {one} " in spaced for one in ("No", "not", "no"))


@SEEDS
@given(seed=st.integers())
def test_yes_no_rules_on_all_replies(seed: int) -> None:
    for text in replies(SPOKEN, seed):
        assert yesno.mme_official(text) == mme(text), repr(text)
        assert yesno.pope_official(text) == pope(text), repr(text)


def challenge(text: str) -> str:
    """The VQA challenge: marks, periods (the first 32 that no digit follows), lower case, number words, articles,
    contractions."""
    text = text.replace("\n", " ").replace("\t", " ").strip()
    thousands = any(
        a.isdecimal() and b == "," and c.isdecimal() for a, b, c in zip(text, text[1:], text[2:], strict=False)
    )
    marks = {m: "" if thousands or f"{m} " in text or f" {m}" in text else " " for m in ';/[]"{}()=+\\_-><@`,?!'}
    text = "".join(marks.get(one, one) for one in text)
    kept, gone = "", 0
    for place, one in enumerate(text):
        drop = one == "." and gone < 32 and not text[place + 1 : place + 2].isdecimal()
        gone += drop
        kept += "" if drop else one
    said = [NUMBER_WORDS.get(one, one) for one in kept.lower().split()]
    return " ".join(CONTRACTED.get(one, one) for one in said if one not in ("a", "an", "the"))


def evalai(text: str) -> str:
    """EvalAI: lower case, no comma and no question mark, a space before 's; then as the challenge."""
    return challenge(text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip())


@SEEDS
@given(seed=st.integers())
def test_the_normalisers_on_all_answers(seed: int) -> None:
    for text in replies(SHORT, seed):
        assert vqa_normalise(text) == challenge(text), repr(text)
        assert evalai_normalise(text) == evalai(text), repr(text)


@pytest.mark.parametrize(("said", "meant"), sorted(CONTRACTED.items()))
def test_contractions_of_more_than_one_apostrophe(said: str, meant: str) -> None:
    assert vqa_normalise(said) == evalai_normalise(said) == meant
    assert soft.soft_accuracy(said, [meant] * 3 + ["x"] * 7) == pytest.approx(0.9)


@SEEDS
@given(seed=st.integers())
def test_soft_accuracy_is_the_mean_over_ten_leave_one_out_sets(seed: int) -> None:
    draw = random.Random(seed)
    answers = draw.choices(["cat", "Cat", "dog", "two", "2", "a dog."], k=10)
    for said in ("cat", "dog", "2", "Two.", "bird"):
        for kind, form in ((soft.Normaliser.ALWAYS, challenge), (soft.Normaliser.EVALAI, evalai)):
            left = [[form(a) for n, a in enumerate(answers) if n != out] for out in range(10)]
            stated = math.fsum(min(1, one.count(form(said)) / 3) for one in left) / 10
            assert soft.soft_accuracy(said, answers, kind) == pytest.approx(stated)


@SEEDS
@given(seed=st.integers())
def test_gqa_is_equality_without_case_and_ascii_punctuation(seed: int) -> None:
    texts = replies(SHORT, seed)

    def stated(text: str) -> list[str]:
        return [one for one in text.lower() if one not in string.punctuation]

    for text in texts:
        for answer in ("cat", "the cat", text.upper(), text + ".", "_".join(text), texts[0]):
            assert written.gqa_official(text, answer) == (stated(text.strip()) == stated(answer)), (text, answer)


@pytest.mark.parametrize(
    ("said", "answer", "score"),
    [
        ("t_shirt", "tshirt", 1),
        ("yes。", "yes", 0),
        ("two  men", "two men", 0),
        ("yes .", "yes", 0),
        (" Yes.\n", "yes", 1),
    ],
)
def test_marks_and_spaces_of_gqa(said: str, answer: str, score: int) -> None:
    assert written.gqa_official(said, answer) == score
