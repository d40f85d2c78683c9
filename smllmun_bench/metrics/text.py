"""How strings are made comparable: one normal form, one word splitter, one rule for "occurs in"."""

import re
import unicodedata
from functools import lru_cache
from string import ascii_lowercase, digits

from smllmun_bench.metrics import scripts
from smllmun_bench.metrics.marks import unmarked
from smllmun_bench.metrics.numbers import canonical, has_number, readings, stands_whole
from smllmun_bench.metrics.porter import stem as porter_stem

_ROUGE_LETTERS = bytes(
    ord(chr(code).lower()) if code < 128 and chr(code).lower() in ascii_lowercase + digits else ord(" ")
    for code in range(256)
)
_FRACTION = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")  # 5½ is 5 1/2, not 51/2
_POWER = re.compile(r"(?<=\w)(?=[²³¹⁰⁴-⁹])")  # 5² is 5^2, not 52
_DIGIT = re.compile(r"[^\D0-9]")  # of other scripts: ٣, ३, ๓
_SIGNS = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-"}
    | {"⁄": "/"}  # ½ decomposes into 1⁄2
)
_EDGE = " \t\n.,;:!?\"'`*()[]{}" + "。、·・「」『』《》〈〉【】〔〕〖〗،؛؟۔।॥။၊។៖ฯ«»‹›„‚¿¡…"
_SARA_AM = (("\u0e4d\u0e32", "\u0e33"), ("\u0ecd\u0eb2", "\u0eb3"))  # Thai and Lao am, which NFKD takes apart
_SHORT_I = ("\u0438\u0306", "\u0439")  # й is a letter, not an и with an accent
# Not written out by most: harakat and tatweel of Arabic, niqqud of Hebrew; nor seen: joiners and direction marks.
_UNWRITTEN = re.compile(
    "[\u0640\u064b-\u0653\u0670\u0591-\u05bd\u05bf\u05c1\u05c2\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_VARIANTS = str.maketrans("أإآٱىیک٬٫", "ااااييك,.")  # one letter as it is written in Arabic, Persian and Urdu


@lru_cache(maxsize=65536)  # references are compared again and again
def normalise(text: str) -> str:
    """Lower case, accents of Latin letters dropped, one kind of quote and dash, single spaces; numbers in one spelling
    (`numbers.canonical`), and no marking (`marks.unmarked`).

    >>> normalise("  José earns\\n**$85,000.00** – “net” ")
    'jose earns $85000 - "net"'
    """
    if not text.isascii():
        text = _POWER.sub("^", _FRACTION.sub(" ", text))
        text = unicodedata.normalize("NFKD", text).translate(_SIGNS).replace(*_SHORT_I)
        # Only Latin-style accents: dropping every mark would change words of other scripts.
        text = unicodedata.normalize("NFC", "".join(c for c in text if not "\u0300" <= c <= "\u036f"))
        if not text.isascii():
            text = _UNWRITTEN.sub("", text.translate(_VARIANTS))
            for apart, whole in _SARA_AM:
                text = text.replace(apart, whole)
            text = _DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)
    text = text.casefold()
    while True:
        plain = " ".join(unmarked(text).split())
        plain = canonical(plain) if has_number(plain) else plain
        if plain == text:
            return plain
        text = plain


@lru_cache(maxsize=65536)
def bare(text: str) -> str:
    """The normal form without punctuation at its edges; inner marks and signs such as $ and + stay.

    >>> bare("Paris."), bare("(C++)"), bare("$50!")
    ('paris', 'c++', '$50')
    """
    plain = normalise(text)
    while (inside := plain.strip(_EDGE)) != plain:
        plain = normalise(inside)  # what stood at the edge may have hidden marking
    return plain


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

    Works for "$50" and "C++", where the usual `\b` fails. A number is found where it stands whole: not inside a longer
    one, a fraction, a time, a range or behind a minus (`numbers.stands_whole`). An empty phrase is never contained.

    >>> contains("It is Paris.", "paris"), contains("a party", "art"), contains("he knows C++ well", "C++")
    (True, False, True)
    >>> contains("3.5 metres", "3"), contains("$50.00 a day", "$50"), contains("85,000", "85")
    (False, True, False)
    """
    return occurs(normalise(text), bare(phrase))


def occurs(haystack: str, needle: str) -> bool:
    """`contains` for strings that are in normal form already."""
    if _stands_in(haystack, needle):
        return True
    if not haystack.isascii() and needle and _stands_otherwise(haystack, needle):
        return True
    if ("." not in haystack and "." not in needle) or not has_number(needle):
        return False
    return any(_stands_in(said, wanted) for said in readings(haystack) for wanted in readings(needle))


def same(text: str, other: str) -> bool:
    """Whether both say the same thing and nothing else: equal normal forms, edge punctuation aside.

    >>> same("**Paris**.", "paris"), same("85.000", "85,000"), same("-5", "5")
    (True, True, False)
    """
    one, two = bare(text), bare(other)
    if one == two or not has_number(one):
        return one == two
    return not set(readings(one)).isdisjoint(readings(two))


def _stands_otherwise(haystack: str, needle: str) -> bool:
    """In another grammatical form, or with its number in numerals of the other kind."""
    if scripts.is_inflected(haystack, needle):
        return True
    said, wanted = scripts.with_digits(haystack), scripts.with_digits(needle)
    return (said, wanted) != (haystack, needle) and _stands_in(said, wanted)


def _stands_in(haystack: str, needle: str) -> bool:
    start = haystack.find(needle) if needle else -1
    while start >= 0:
        end = start + len(needle)
        if _edge_is_free(haystack, start, end):
            return True
        start = haystack.find(needle, start + 1)
    return False


def _edge_is_free(haystack: str, start: int, end: int) -> bool:
    before, after = haystack[max(start - 2, 0) : start], haystack[end : end + 2]
    if (_goes_on(before[::-1]) or _goes_on(after)) and (
        haystack.isascii() or not scripts.stands_alone(haystack, start, end)
    ):
        return False
    return stands_whole(haystack, start, end)


def _goes_on(outwards: str) -> bool:
    """Whether a word goes on into its neighbours; an underscore joins words (`a_b`) or marks one (`_Paris_`)."""
    return outwards != "" and scripts.is_word_sign(outwards[1:] if outwards[0] == "_" else outwards[0])
