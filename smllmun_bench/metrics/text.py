"""How strings are made comparable: one normal form, one word splitter, one rule for "occurs in"."""

import re
import unicodedata
from functools import lru_cache
from string import ascii_lowercase, digits

from smllmun_bench.metrics.porter import stem as porter_stem

_ROUGE_LETTERS = bytes(
    ord(chr(code).lower()) if code < 128 and chr(code).lower() in ascii_lowercase + digits else ord(" ")
    for code in range(256)
)
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")  # the comma of 85,000
_NO_CENTS = re.compile(r"(?<=\d)\.00(?!\d)")  # $50.00 says $50
_SIGNS = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-"})
_EDGE = " \t\n.,;:!?\"'`*()[]{}"


@lru_cache(maxsize=65536)  # references are compared again and again
def normalise(text: str) -> str:
    """Lower case, accents of Latin letters dropped, one kind of quote and dash, single spaces, digits ungrouped.

    >>> normalise("  José earns\\n$85,000.00 – “net” ")
    'jose earns $85000 - "net"'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).translate(_SIGNS)
        # Only Latin-style accents: dropping every mark would change words of other scripts.
        text = unicodedata.normalize("NFC", "".join(c for c in text if not "\u0300" <= c <= "\u036f"))
    text = _NO_CENTS.sub("", _GROUPED.sub("", text.casefold()))
    return " ".join(text.split())


@lru_cache(maxsize=65536)
def bare(text: str) -> str:
    """The normal form without punctuation at its edges; inner marks and signs such as $ and + stay.

    >>> bare("Paris."), bare("(C++)"), bare("$50!")
    ('paris', 'c++', '$50')
    """
    return normalise(text).strip(_EDGE)


@lru_cache(maxsize=65536)  # a dozen metrics of one item ask for the same words
def words(text: str, stem: bool = False) -> tuple[str, ...]:
    """Words as `rouge_score` splits them: lower case, only a-z and 0-9; with `stem`, Porter for 4 letters and more.

    >>> words("He painted 3 boats."), words("He painted 3 boats.", stem=True)
    (('he', 'painted', '3', 'boats'), ('he', 'paint', '3', 'boat'))
    """
    # Bytes through a table are four times as fast as a pattern; every other character becomes a "?", then a space.
    # Some foreign capitals have lower-case forms with ASCII letters, so there `lower` has to come first.
    letters = text.encode() if text.isascii() else text.lower().encode("ascii", "replace")
    tokens = letters.translate(_ROUGE_LETTERS).decode("ascii").split()
    return tuple([token if len(token) < 4 else porter_stem(token) for token in tokens]) if stem else tuple(tokens)


def contains(text: str, phrase: str) -> bool:
    r"""Whether the phrase stands in the text with no word character on either side, both in normal form.

    Works for "$50" and "C++", where the usual `\b` fails. A number is not found inside a longer decimal number.
    An empty phrase is never contained.

    >>> contains("It is Paris.", "paris"), contains("a party", "art"), contains("he knows C++ well", "C++")
    (True, False, True)
    >>> contains("3.5 metres", "3"), contains("$50.00 a day", "$50"), contains("85,000", "85")
    (False, True, False)
    """
    return occurs(normalise(text), bare(phrase))


def occurs(haystack: str, needle: str) -> bool:
    """`contains` for strings that are in normal form already."""
    start = haystack.find(needle) if needle else -1
    while start >= 0:
        end = start + len(needle)
        if _edge_is_free(haystack, start, end):
            return True
        start = haystack.find(needle, start + 1)
    return False


def _edge_is_free(haystack: str, start: int, end: int) -> bool:
    before, after = haystack[max(start - 2, 0) : start], haystack[end : end + 2]
    if (before and _is_word(before[-1])) or (after and _is_word(after[0])):
        return False
    inside_decimal = haystack[start].isdigit() and len(before) == 2 and before[1] == "." and before[0].isdigit()
    before_decimal = haystack[end - 1].isdigit() and len(after) == 2 and after[0] == "." and after[1].isdigit()
    return not (inside_decimal or before_decimal)


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
