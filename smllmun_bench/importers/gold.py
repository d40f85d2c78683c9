"""What a row of a sample log says is right, where it says so at all. A guess would make an accuracy of ours wrong."""

from collections.abc import Mapping
from string import ascii_uppercase

from smllmun_bench.importers.files import Object, Place
from smllmun_bench.metrics.scripts import count_words

FEW_WORDS = 5  # longer targets are solutions, sentences, summaries
_DIGITS = 9  # a longer number is no option's
_NOT_BARE = ("=", "#", "<<")  # signs of a worked solution


def bare_answer(target: str) -> bool:
    """One short answer on one line: no list of truths, no worked solution.

    >>> bare_answer("42"), bare_answer("['Oslo', 'Kristiania']"), bare_answer("2+5=<<2+5=7>>7\\n#### 7")
    (True, False, False)
    """
    said = target.strip()
    listed = said[:1] + said[-1:] in ("[]", "()", "{}") and len(said) > 1
    worked = any(sign in said for sign in _NOT_BARE) or len(said.splitlines()) > 1
    return 0 < count_words(said) <= FEW_WORDS and not listed and not worked


def right_option(target: str, options: int, doc: Object, place: Place) -> int | None:
    """Index of the right one: the target's number, its letter or label, or the option's text; None if none says it.

    Raises UserError for a number that is no option's.
    """
    said = target.strip()
    texts, labels = _choices(doc)
    if _several(doc, options):
        return None
    number = int(said) if said.isascii() and said.isdigit() and len(said) <= _DIGITS else None
    if number is not None and number < options:
        return number
    for names in (labels, texts):
        if names.count(said) == 1 and len(names) == options:
            return names.index(said)
    if number is not None:
        raise place.at("target").fault(f"option {said} of {options}: they are counted from 0")
    if len(said) == 1 and said in ascii_uppercase[:options]:
        return ascii_uppercase.index(said)
    # WinoGrande weighs one continuation after each of two beginnings; its target is the continuation.
    if options == 2 and doc.get("answer") in ("1", "2"):
        return int(doc["answer"]) - 1
    return None


def _choices(doc: Object) -> tuple[list[str], list[str]]:
    """(texts, labels) of `choices`, a list of texts or an object of the two lists; empty where there is none."""
    choices = doc.get("choices")
    texts, labels = (choices.get("text"), choices.get("label")) if isinstance(choices, Mapping) else (choices, None)
    return _texts(texts), _texts(labels)


def _texts(value: object) -> list[str]:
    return [one.strip() for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _several(doc: Object, options: int) -> bool:
    """TruthfulQA's layout: labels of 0 and 1 beside the options, more than one of them 1."""
    lists = [value.get("labels") for value in doc.values() if isinstance(value, Mapping)]
    return any(isinstance(one, list) and len(one) == options and one.count(1) > 1 for one in lists)
