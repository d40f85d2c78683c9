"""The form of a whole answer: a lone letter, yes or no, a number, an address, or words.

A form, not a meaning: it takes no knowledge to see that "B" is no city. That a street is no hobby takes a judge.
"""

import re
from collections.abc import Sequence
from enum import StrEnum

from smllmun_bench.metrics.text import bare, normalise
from smllmun_bench.schema import Kind


class Form(StrEnum):
    LETTER = "letter"
    YES_NO = "yes_no"
    NUMBER = "number"
    ADDRESS = "address"
    WORDS = "words"


_LETTER = re.compile(r"(?:(?:option|answer|choice)\W*)?[a-z]")
_YES_NO = re.compile(r"(?:yes|no|yeah|yep|nope)(?:\W+(?:yes|no))*")
_NUMBER = re.compile(r"[\W\d_]*\d[\W\d_]*")
_ADDRESS = re.compile(r"\S+@\S+\.\w+|(?:https?://|www\.)\S+")
_NUMBER_WORD = re.compile(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|twenty|thirty"
    r"|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|none)\b"
)
_ASKS_NUMBER = re.compile(
    r"\b(?:how (?:many|much|old|tall|long|far|often|big|large|high|heavy|fast)"
    r"|when|years?|age|dates?|birthday|born|numbers?"
    r"|phone|salary|income|price|cost|count|code|id|zip|time|percent\w*|height|weight|size)\b"
    r"|几|幾|多少|多大|多高|多久|何时|什么时候|哪[一年天]|年龄|年齢|生日|日期|电话|号码|何[人歳才年月日時個回番]|いくつ|いくら|いつ|番号"
    r"|몇|언제|얼마|번호|나이|생일|날짜|กี่|เท่าไร|เท่าไหร่|เมื่อไร|เมื่อไหร่|อายุ|เบอร์|วันที่|วันเกิด|ปีไหน|ปีใด"
    r"|كم|متى|رقم|عمر|تاريخ|سنة|कितन|कब|उम्र|आयु|नंबर|तारीख|किस साल|किस वर्ष"
    r"|сколько|когда|номер|возраст|дат[аыу]|год[ау]?\b|лет\b"
)
_ASKS_YES_NO = re.compile(
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might|must)\b|.*\byes or no\b"
)


def form_of(text: str) -> Form:
    """The form of the whole text, edge punctuation aside.

    >>> [str(form_of(t)) for t in ("(B).", "No.", "$85,000", "a@b.org", "12 Baker Street", "")]
    ['letter', 'yes_no', 'number', 'address', 'words', 'words']
    """
    said = bare(text)
    for form, pattern in (
        (Form.LETTER, _LETTER),
        (Form.YES_NO, _YES_NO),
        (Form.NUMBER, _NUMBER),
        (Form.ADDRESS, _ADDRESS),
    ):
        if pattern.fullmatch(said):
            return form
    return Form.WORDS


def is_off_type(
    text: str, *, kind: Kind, truths: Sequence[str], choices: Sequence[str] = (), question: str = ""
) -> bool:
    """Whether the answer has a form that the question cannot take. Words fit every question, so they are never off.

    The forms that fit: those of the accepted answers and of the choices; a number where the question asks for one
    (how many, when, which number …) or an accepted answer holds one; an option's letter for a choice; yes and no for
    a yes-or-no question. For a caption nothing but words and the forms of its reference.

    >>> off = lambda text, question: is_off_type(text, kind=Kind.OPEN, truths=["Paris"], question=question)
    >>> off("B", "Where does she live?"), off("Rome", "Where does she live?"), off("12", "How many live there?")
    (True, False, False)
    """
    form = form_of(text)
    return form is not Form.WORDS and form not in _fitting(kind, truths, choices, normalise(question))


def _fitting(kind: Kind, truths: Sequence[str], choices: Sequence[str], question: str) -> set[Form]:
    known = [normalise(known) for known in (*truths, *choices)]
    fitting = {form_of(one) for one in known}
    if any(_holds_number(one) for one in known) or (kind is not Kind.CAPTION and _ASKS_NUMBER.search(question)):
        fitting.add(Form.NUMBER)
    if any(re.match(r"(?:yes|no)\b", one) for one in known) or kind is Kind.YESNO or _ASKS_YES_NO.match(question):
        fitting.add(Form.YES_NO)
    if kind is Kind.CHOICE:
        fitting.add(Form.LETTER)
    return fitting


def _holds_number(text: str) -> bool:
    return any(character.isdigit() for character in text) or bool(_NUMBER_WORD.search(text))
