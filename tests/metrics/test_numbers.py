"""A number is compared as a number of its kind."""

import hypothesis
import pytest
from hypothesis import strategies as st

from smllmun_bench.metrics.match import exact, key_fact
from smllmun_bench.metrics.text import bare, contains, normalise, same


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        *[("-5", "5"), ("−5 degrees", "5"), ("It is -$50", "$50"), ("minus 5", "5"), ("5", "-5")],
        *[("1/2", "2"), ("1/2", "1"), ("5 1/2", "5"), ("5½", "5"), ("5 1/2", "1/2"), ("5²", "52"), ("10^5", "5")],
        *[("12:30", "30"), ("12:30", "12"), ("3:1", "3")],
        *[("3-5", "5"), ("3–5", "3"), ("3 - 5", "5"), ("3 to 5 years", "5"), ("between 3 and 5", "3"), ("3%-5%", "5%")],
        *[("$3-$5", "$5"), ("1990–1995", "1990"), ("in 1990-95", "1990")],
        *[("1991-12-07", "12"), ("07.12.1991", "12"), ("7/12/1991", "7"), ("07.12.1991", "1991-07-12")],
        *[("10,000", "10"), ("10 000", "10"), ("10 000", "000"), ("3.5 metres", "3"), ("3,5", "35"), ("1st", "1")],
        *[
            ("3..5", "3"),
            ("3 ~ 5", "5"),
            ("3到5", "3"),
            ("±5", "5"),
            ("<5", "5"),
            ("≤ 5", "5"),
            ("5×6", "5"),
            ("3 x 4", "4"),
        ],
        *[
            ("5'11\"", "5"),
            ("$5 million", "$5"),
            ("5 billion", "5"),
            ("5万", "5"),
            ("5 млн", "5"),
            ("5억", "5"),
            ("$5m", "$5"),
        ],
    ],
)
def test_part_of_another_number_is_not_the_number(text, truth):
    assert not contains(text, truth)
    assert not key_fact(f"She says {text}.", [truth])
    assert not same(text, truth)


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        *[
            ("85 000", "85,000"),
            ("85.000", "85,000"),
            ("85\u202f000", "85000"),
            ("85'000", "85,000"),
            ("85,000.00", "85000"),
        ],
        *[("1.234.567", "1,234,567"), ("1 234 567", "1234567"), ("1.234,50", "1234.5"), ("12,34,567", "1234567")],
        *[("$29.0", "$29"), ("$29.00", "$29"), ("2.50", "2.5"), ("3,5", "3.5"), (".5", "0.5"), ("$ 29", "$29")],
        *[("50 %", "50%"), ("50 percent", "50%"), ("50 €", "€50"), ("US$50", "$50"), ("minus 5", "-5"), ("−5", "-5")],
        *[("7.12.1991", "07.12.1991"), ("7. 12. 1991", "1991-12-07"), ("1991/12/07", "1991-12-07"), ("09:30", "9:30")],
        *[("½", "1/2"), ("3–5", "3-5"), ("3 to 5", "3-5"), ("3 - 5", "3-5"), ("١٩٩١", "1991"), ("１２", "12")],
        *[("March 3rd, 1990", "March 3, 1990"), ("3rd of March", "3 March"), ("85.000", "85"), ("3.125", "3.125")],
        *[("5kg", "5 kg"), ("1.80 m", "1.80m"), ("9 a.m.", "9am"), ("09:30 p.m.", "9:30 pm"), ("30years", "30 years")],
        *[("Dec 7, 1991", "December 7, 1991"), ("7 Sept. 1991", "7 September 1991"), ("Jan. 5th", "January 5")],
    ],
)
def test_one_number_in_two_spellings(text, truth):
    assert contains(text, truth)
    assert exact(f"{text}.", [truth]) == 1
    assert key_fact(f"I think it is {text}.", [truth]) == 1
    assert same(truth, text)


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("07.12.1991", "1991"),
        ("born 7.12.1991.", "1991"),
        ("1991-12-07", "1991"),
        ("7/12/1991", "1991"),
        ("12/1991", "1991"),
        ("a 5-year-old", "5"),
        ("(5)", "5"),
        ("no. 5", "5"),
        ("5%", "5"),
        ("+5", "5"),
        ("F-16", "16"),
        ("he has 5.", "5"),
        ("from 1990 to 1995", "1990"),
        ("3,4,5", "4"),
        ("in 2010 200 people", "2010"),
        ("December 7,1991", "1991"),
        ("she weighs 50kg", "50"),
        ("~5", "5"),
        ("5 + 6 = 11", "11"),
    ],
)
def test_a_whole_number_is_found(text, truth):
    assert contains(text, truth)


whole = st.integers(1, 10**9)
separators = st.sampled_from([",", ".", " ", "'", "\u00a0", "\u202f"])


@hypothesis.given(whole, separators)
@hypothesis.settings(deadline=None)
def test_grouped_digits_are_the_number(value, separator):
    """Whatever parts the thousands; and no group of it is said by the whole."""
    text = f"{value:,}".replace(",", separator)
    assert same(text, str(value))
    assert contains(f"about {text} people", str(value))
    groups = text.split(separator)
    for group in groups if len(groups) > 2 else []:
        assert not contains(f"about {text} people", group)


@hypothesis.given(st.integers(1, 999), st.integers(1, 999), st.sampled_from(["/", ":", "-", "–", " to ", " - "]))
@hypothesis.settings(deadline=None)
def test_two_numbers_that_are_one(a, b, sign):
    text = f"She said {a}{sign}{b}."
    assert contains(text, f"{a}{sign}{b}")
    assert not contains(text, str(a))
    assert not contains(text, str(b))


@hypothesis.given(st.text("0123456789.,:;/-–−$€% '*_`\\{}()to andminus½²±+#", max_size=24))
@hypothesis.settings(deadline=None, max_examples=1500)
def test_the_normal_form_of_odd_numbers_is_stable(text):
    assert normalise(normalise(text)) == normalise(text)
    assert bare(bare(text)) == bare(text)
