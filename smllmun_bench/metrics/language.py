"""Does a text look like language at all? Cheap signs of collapse, no dictionary and no model.

They find repetition, symbol soup, unpronounceable letters, mixed scripts and grammar that cannot be. Fluent nonsense
made of real words in a possible order passes: that takes a judge.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from smllmun_bench.metrics.diversity import distinct_n, longest_loop
from smllmun_bench.metrics.marks import unmarked
from smllmun_bench.metrics.scripts import is_word_sign, unicode_words

_SPECIAL = re.compile(
    r"<\|[^<>|]{1,40}\|>|</?(?:s|unk|pad|bos|eos|mask|image|img|im_end|endoftext)>|<0x[0-9a-f]{2}>", re.I
)
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
_UNIT_LOOP = re.compile(r"([^\d\s]{1,6}?)\1{5,}")
_STUTTER = re.compile(r"(?=([^\W\d_]{2,4})\1{2})((?:\1)+)")  # ortortort, tetetete
_STUTTER_LETTERS = 8  # tatata and bonbonbon may be words
_THRICE = re.compile(r"([^\W\d_])\1\1")
_CONSONANTS = re.compile(r"(?>sch|tch|[cgpst]h|ck|ng|[bcdfghjklmnpqrstvwxz]){6}")  # sounds: Knightsbridge has five
_NEVER = re.compile(
    r"q[bcdfghjklmnpqrstvwxz]|(?!^)q[eoy]|j[bcdfghklmnpqrstvwxz]|v[bcfghjmpqwxz]|[bcdfghjkmpqvwz]x"
    r"|x[jkrxz]|w[jqvxz]|z[fjqx]|[bfghmpv]q(?![iu])"  # Qom; Chongqing
    r"|^s[cfkmnpt][bcdfgkmnpqstvz]|^s(?:pl|pr|cr)[bcdfgjklmnpqrstvwxz]|[bcdfgkpstvz]lr$"
    r"|^(?=\w{4})(?:b[cfgkmpt]|c[bcdfgp]|d[bcfgkp]|f[bcdgkp]|g[bcfgkp]|p[bcdgkm]|t(?:b(?!il)|c(?!h)|[dfgp]))"
)
_SHOUT = re.compile(r"[A-Z]{4,}[a-z]{3,}")
_GLUED = re.compile(r"\d+[a-z]{4,}")  # 9ngust; but 3rd, 20min
_MEASURES = re.compile(
    r"\d+(?:years?|months?|weeks?|days?|hours?|minutes?|percent|met(?:er|re)s?|miles?|euros?|dollars?)"
)
_NO_VOWEL = frozenset(
    (
        "mrs",
        "phd",
        "ltd",
        "nth",
        "hmm",
        "www",
        "html",
        "http",
        "https",
        "jpg",
        "png",
        "pdf",
        "mph",
        "gmbh",
        "dvd",
        "nhs",
    )
)
_ARTICLES = frozenset(("the", "a", "an"))
_AFTER_OF = frozenset(("of", "and", "or", "is", "are", "was", "were", "by", "for", "with"))
_JOINS = _AFTER_OF | {"the", "an"}
_AFTER_ARTICLE = _ARTICLES | _AFTER_OF | {"in", "on", "to", "from"}
_GLUE = (
    _AFTER_ARTICLE
    | {"at", "as", "that", "this", "it", "be", "has", "have", "had", "he", "she", "they", "his", "her", "their", "its"}
    | {"not", "no", "but", "if", "i", "you", "we", "my", "who", "which", "what", "where", "there", "do", "does", "did"}
    | {"can", "will", "would"}
    | {"et", "de", "la", "le", "les", "un", "une", "du", "en", "est"}
    | {"el", "los", "y", "con", "di", "il", "che", "per", "da"}
    | {"der", "die", "das", "und", "ist", "den", "ein", "eine", "het", "een", "van"}
    | {"em", "na", "do", "på", "och", "og", "er", "ja", "w", "z", "i", "o", "ve", "bir"}
)
_EAST_ASIAN = frozenset(("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "FULLWIDTH", "HALFWIDTH"))
# Brackets, quotes, stops and units around an answer: "(A).", "~42 %…". None stands more than three times in a row.
_MARK = r"[\s()\[\]{}<>\"'`“”‘’„«»「」『』《》【】（）.,:;!?…。，：；！？*_~≈=%$€£¥₹#•|/-]"
_AROUND = re.compile(rf"(?!.*([^\w\s])\1{{3}}){_MARK}{{0,6}}((?:\w(?:.*\w)?[+#]*))?{_MARK}{{0,6}}", re.S)
_LIST_SIGNS = re.compile(r"[,;:\n•|/-]")


def tokens(text: str) -> list[str]:
    """The words of a text, in any script.

    >>> tokens("She's 12."), tokens("她住在New York，12年。")
    (["She's", '12'], ['她', '住在', 'New', 'York', '12', '年'])
    """
    found = unicode_words(text)
    return _WORD.findall(text) if found is None else found


def without_special_tokens(text: str) -> str:
    """The text without markers such as `</s>` or `<|im_end|>` that a decoder may leave in.

    >>> without_special_tokens("<pad><pad> Paris</s>")
    'Paris'
    """
    return _SPECIAL.sub(" ", text).strip() if "<" in text else text.strip()


@lru_cache(maxsize=4096)
def is_repetitive(text: str) -> bool:
    """A word or phrase in a loop, few different words, one short unit over and over, or a word that stutters.

    >>> is_repetitive("US " * 500), is_repetitive("He said no, no, no."), is_repetitive("aaaaaaaaaaaa")
    (True, False, True)
    >>> is_repetitive("unfortortortortunately"), is_repetitive("hahaha")
    (True, False)
    """
    if any(len(found[0]) >= _STUTTER_LETTERS for found in _STUTTER.finditer(text.casefold())):
        return True
    loop = _UNIT_LOOP.search(text)
    if loop and len(loop[0]) * 2 >= len(text.strip()):
        return True
    said = [token.casefold() for token in tokens(text)][:400]  # a loop shows long before
    if len(said) < 5:
        return False
    variety = distinct_n(said, 1)
    if variety > 0.8:
        return False
    return (
        longest_loop(said, repeats=5) >= 0.5
        or (len(said) >= 6 and (variety <= 0.3 or longest_loop(said) >= 0.6))
        or (len(said) >= 12 and distinct_n(said, 3) < 0.5)
    )


def is_language(text: str, *, known: str = "") -> bool:
    """Whether most words could be words. Those that occur in `known` (question, answers) are words by definition.

    >>> is_language("She lives in Lyon."), is_language("xkqj vbzt ##@@"), is_language("the of a and the is of")
    (True, False, False)
    >>> is_language("jq-9xk@zz.example", known="jq-9xk@zz.example"), is_language("+44 20 7946 0958")
    (True, True)
    """
    count, odd, idle, impossible = _signs(text)
    if not count or idle:
        return False
    folded = known.casefold()
    if known and text.strip().casefold() in folded:
        return True
    return not impossible and sum(word not in folded for word in odd) < 0.4 * count


class _Signs(NamedTuple):
    """What a text shows by itself: how many words, the odd ones, only joining words, impossible in any context."""

    words: int
    odd: tuple[str, ...]
    idle: bool
    impossible: bool


@lru_cache(maxsize=4096)  # several metrics of one item ask in a row, each with other known words
def _signs(text: str) -> _Signs:
    text = unmarked(text)
    found = tokens(text)
    folded = [word.casefold() for word in found]
    idle = _JOINS.issuperset(folded) and not text.isupper()  # OR and IN are states
    impossible = _mostly_symbols(text) or _mixes_scripts(text) or _is_word_salad(text, folded)
    odd = tuple(low for word, low in zip(found, folded, strict=True) if not is_word_like(word))
    return _Signs(len(found), odd, idle, impossible)


def odd_share(text: str, *, known: str = "") -> float:
    """Share of words that could hardly be words, in [0, 1]; 0 for a text without words.

    >>> odd_share("hello xkqj"), odd_share("hello there")
    (0.5, 0.0)
    """
    signs, folded = _signs(text), known.casefold()
    return sum(word not in folded for word in signs.odd) / signs.words if signs.words else 0.0


@lru_cache(maxsize=65536)  # benchmarks repeat their words
def is_word_like(word: str) -> bool:
    """Whether a token could be a word, name, number or code: pronounceable, or with digits and not too wild.

    >>> [is_word_like(w) for w in ("Lyon", "Bjørnstad", "NASA", "XK-2281-B", "strengths", "xkqj", "brrrlgt", "aBcDeFg")]
    [True, True, True, True, True, False, False, False]
    """
    return all(_part_is_word_like(part) for part in re.split(r"['’.-]", word) if part)


def _part_is_word_like(part: str) -> bool:
    if any(character.isdigit() for character in part):
        if _GLUED.fullmatch(part) and not _MEASURES.fullmatch(part):
            return False
        switches = sum(a.isdigit() != b.isdigit() for a, b in pairwise(part))
        return len(part) <= 20 and (switches <= 4 or not part.isascii())  # 1991년12월7일
    if len(part) > 24 and part.isascii():
        return False
    if part.isupper() and len(part) <= 5:
        return True
    if _SHOUT.match(part) or sum(a.islower() and b.isupper() for a, b in pairwise(part)) >= 3:
        return False
    letters = part.casefold()
    if not letters.isascii():
        letters = "".join(c for c in unicodedata.normalize("NFKD", letters) if not unicodedata.combining(c))
        if not letters.isascii():
            found = {_script(c) for c in letters if c.isalpha()}
            return len(found) <= 1 or found == {"LATIN", "EAST ASIAN"}  # ½ and 〇 have none; iPhone를
    if _THRICE.search(letters) or _CONSONANTS.search(letters) or _NEVER.search(letters):
        return letters in _NO_VOWEL
    return len(letters) < 3 or letters in _NO_VOWEL or any(vowel in letters for vowel in "aeiouy")


def _mostly_symbols(text: str) -> bool:
    """Whether most signs are none of words, also without the marks around a short answer."""
    if not _are_symbols(text):
        return False
    around = _AROUND.fullmatch(text)
    return around is None or not around[2] or _are_symbols(around[2])


def _are_symbols(text: str) -> bool:
    visible = "".join(text.split())
    of_words = sum(map(str.isalnum if visible.isascii() else is_word_sign, visible))
    return len(visible) >= 4 and of_words * 2 < len(visible)


def _mixes_scripts(text: str) -> bool:
    if text.isascii():
        return False
    undecodable = (c == "\ufffd" or (unicodedata.category(c) in ("Co", "Cn", "Cc") and not c.isspace()) for c in text)
    if sum(undecodable) >= 2:
        return True
    return len({_script(c) for c in text if c.isalpha()}) >= 3


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "UNKNOWN").split(" ")[0].split("-")[0]
    return "EAST ASIAN" if name in _EAST_ASIAN else name


def _is_word_salad(text: str, said: list[str]) -> bool:
    """Impossible neighbours (the of, of is, a the) twice or more, or ten words and nothing that joins them.

    Words that join are known for English and some other languages with Latin letters, so only Latin words count.
    """
    bad = sum((a in _ARTICLES and b in _AFTER_ARTICLE) or (a == "of" and b in _AFTER_OF) for a, b in pairwise(said))
    if bad >= 2 and bad * 10 >= len(said):
        return True
    if len(said) < 10 or _GLUE.intersection(said) or _LIST_SIGNS.search(text):
        return False
    return sum(word.isascii() for word in said) * 2 > len(said)
