"""The answer normaliser of the VQA challenge, and the EvalAI variant that TextVQA and VizWiz toolkits use."""

import re
from functools import lru_cache

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_GROUPED = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
_PERIODS = 32  # the scripts pass a flag (re.UNICODE, 32) where `sub` takes the number of replacements
_NUMBERS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip
_ARTICLES = ("a", "an", "the")
_WHOLE = (
    "ain't", "aren't", "can't", "could've", "couldn't", "didn't", "doesn't", "don't", "hadn't", "hasn't", "haven't",
    "he'd", "he's", "how'd", "how'll", "how's", "isn't", "it'd", "it'll", "ma'am", "mightn't", "might've", "mustn't",
    "must've", "needn't", "not've", "o'clock", "oughtn't", "shan't", "should've", "shouldn't", "somebody'll",
    "somebody's", "someone'd", "someone'll", "someone's", "something'd", "something'll", "that's", "there'd",
    "there're", "there's", "they'd", "they'll", "they're", "they've", "'twas", "wasn't", "we've", "weren't", "what'll",
    "what're", "what's", "what've", "when's", "where'd", "where's", "where've", "who'd", "who'll", "who's", "who've",
    "why'll", "why're", "why's", "won't", "would've", "wouldn't", "y'all", "you'd", "you'll", "you're", "you've",
)  # fmt: skip
_SEVERAL = (
    "couldn't've", "hadn't've", "he'd've", "it'd've", "mightn't've", "she'd've", "shouldn't've", "somebody'd've",
    "someone'd've", "something'd've", "there'd've", "they'd've", "we'd've", "who'd've", "wouldn't've", "y'all'll",
    "y'all'd've", "you'd've",
)  # fmt: skip


def _contractions() -> dict[str, str]:
    """Without an apostrophe -> with it; of several apostrophes, one is missing at a time."""
    table = {word.replace("'", ""): word for word in _WHOLE}
    for word in _SEVERAL:
        gaps = [place for place, character in enumerate(word) if character == "'"]
        table |= {word[:place] + word[place + 1 :]: word for place in gaps}
    table |= dict.fromkeys(("ow's'at", "'ows'at", "'ow'sat"), "'ow's'at")
    return table | {"somebody'd": "somebodyd"}  # the other way round in the challenge's table


_CONTRACTIONS = _contractions()


def flat(text: str) -> str:
    """New lines and tabs as spaces, edges stripped: what happens to every answer, agreed on or not."""
    return text.replace("\n", " ").replace("\t", " ").strip()


@lru_cache(maxsize=65536)
def vqa_normalise(text: str) -> str:
    """The challenge's normal form: punctuation, then lower case, number words, articles and contractions.

    >>> vqa_normalise("1,000"), vqa_normalise("well-known"), vqa_normalise("U.S."), vqa_normalise(".5")
    ('1000', 'well known', 'us', '.5')
    >>> vqa_normalise("The man's hat"), vqa_normalise("yes,sir"), vqa_normalise("I dont see two")
    ("man's hat", 'yes sir', "i don't see 2")
    """
    return _words(_punctuation(flat(text)))


@lru_cache(maxsize=65536)
def evalai_normalise(text: str) -> str:
    """EvalAI's variant: first lower case, every comma and question mark deleted, `'s` split off.

    >>> evalai_normalise("The man's hat"), evalai_normalise("yes,sir")
    ("man 's hat", 'yessir')
    """
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return _words(_punctuation(flat(text)))


def _punctuation(text: str) -> str:
    """Each mark is deleted where it touches a space somewhere, or digits are grouped; else it becomes a space."""
    grouped = _GROUPED.search(text) is not None
    cleaned = text
    for mark in filter(text.__contains__, _MARKS):
        touches = f"{mark} " in text or f" {mark}" in text
        cleaned = cleaned.replace(mark, "" if touches or grouped else " ")
    return _PERIOD.sub("", cleaned, count=_PERIODS)


def _words(text: str) -> str:
    numbered = (_NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in numbered if word not in _ARTICLES)
