"""Which option was chosen? One ladder for text, one rule for log-probabilities, and never a guess.

An answer that cannot be read is UNPARSED: wrong, and counted. (Several toolkits draw a random letter there, which
gives a destroyed model the credit of chance.)
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import lru_cache
from string import ascii_uppercase
from typing import Final, Literal

from smllmun_bench.metrics.marks import unmarked
from smllmun_bench.metrics.refusal import is_refusal
from smllmun_bench.metrics.text import bare, normalise, occurs, same


class Unparsed(Enum):
    """The type of `UNPARSED`, so that a type checker tells it from an option's index."""

    UNPARSED = "unparsed"


UNPARSED: Final = Unparsed.UNPARSED
Choice = int | Literal[Unparsed.UNPARSED]

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_UNSEEN = dict.fromkeys(map(ord, "\u200b\u200e\u200f\u2060\ufeff"))
_SENTENCE_MARKS = " \t\n.,;:!?…。，、；：！？"
_QUOTES = "\"'“”‘’„«»「」『』《》【】()[]{}`"

# A capital that is no part of a word, a name (A-level, C++, D'Arcy) or an abbreviation (U.S.A.).
_TOKEN = re.compile(r"(?<![A-Za-z0-9_'’&-])(?<![A-Z]\.)([A-Z])(?![A-Za-z0-9_&+#]|['’-]\w|\.[A-Za-z])")
_SAID_TO_BE = re.compile(
    r"\b(?:answer|choice|option|letter)\b[\s\"'(]*(?:is|would be|must be|should be|:|=)?[\s:\"'(\[]*"
    r"(?:(?:option|choice|letter)\s+)?[\"'(\[]*([A-Za-z])\b(?!['’-]\w)(?=[\"')\].,;:!?]|\s*$|\s+(?:because|since|as)\b)",
    re.I,
)
_ALTERNATIVE = re.compile(r"^[\W_]*(?:or|and|and/or|/|&)[\W_]*(?:option\s+|choice\s+)?[A-Za-z]\b|^\s*,\s*[A-Z]\b", re.I)

# What stands before a letter that is told, not part of a name: "Option B", "Definitely B"; not "Vitamin C", "Mary I".
_TELLS = re.compile(
    r"answer|option|choice|letter|select|choose|pick|say|definitely|probably|maybe|perhaps|likely|clearly|surely"
    r"|certainly|obviously|possibly|presumably|correctly|therefore|so|thus|hence|then|only|just|both|either|neither|not"
    r"|and|or|but|yes|no|ok|okay|well|final|correct|it'?s|mine|because|since|is|are|the|my|i|we|you|he|she|they|if|when",
    re.I,
)
_KINDS = re.compile(
    r"vitamin|type|plan|group|class|grade|hepatitis|category|series|model|section|appendix|schedule|figure|team|block"
    r"|room|gate|exhibit|part|level|channel|line|size|cup|division|league|studio|building|wing|hall|platform|terminal"
    r"|zone|rating|form|shape|site|unit|blood|influenza|strain|protein|factor|mrs?|ms|dr|sir",
    re.I,
)
_GOES_ON = re.compile(
    r" +(?:major|minor|flat|sharp|natural|cup|level|road|team|list|battery|side|student|grade)\b", re.I
)

_CLAUSE = re.compile(
    r"[,.;:!?。，；：！？\n]|(?<!anything )(?<!everything )(?<!all )(?<!any )\bbut\b|\b(?:so|hence|therefore|thus)\b",
    re.I,
)
_NEGATION = re.compile(
    r"\b(?:not|never|neither|nor|without(?! (?:an?y? )?(?:doubt|question))|except|excluding|cannot|rather than"
    r"|instead of|(?<!none )other than|(?:anything|everything|all|any) but|far from"
    r"|no longer|by no means|in no way|no way"
    r"|nowhere|hardly|scarcely|(?<!at )least|(?<!no )(?<!without )(?<!without a )(?<!without any )doubt(?:s|ed|ful)?"
    r"|unlikely|improbabl[ey]|rul(?:e|es|ed|ing) out|eliminat(?:e|es|ed|ing)|exclud(?:e|es|ed)"
    r"|reject(?:s|ed|ing)?|dismiss(?:es|ed|ing)?|discard(?:s|ed|ing)?"
    r"|(?:wrong|incorrect|false|bad|worst) (?:answer|option|choice|letter|one)"
    r"|не|ни|кроме|no es|no está|nunca|tampoco|não|pas|jamais|sauf|nicht|kein\w*|weder|außer|non è|niet|bukan"
    r"|không phải|ليس|ليست|ليسوا|باستثناء|ما عدا)\b"
    r"|n['’]t\b|不是|并非|並非|不选|不選|不会是|不會是|不可能是|不在|排除|除了"
    r"|ไม่ใช่|ไม่ได้|ยกเว้น",
    re.I,
)
_NEGATED_WITHIN = 5  # words between a negation and what it negates: "I do not think that it is B"
_DENIED_ABROAD = (
    r"(?:选项|選項|项|項)?(?:是|并|並|都|也)?(?:不对|不對|不正[确確]|不是|错|錯)"
    r"|(?:は|では|じゃ|でも)+(?:な[いく]|ありま|違|間違|不正解|誤)"
    r"|以外|(?:이|가|은|는|도)? ?(?:아니|아닙|아닌|틀리|틀렸|틀린|제외)"
    r"|नहीं|(?:गलत|ग़लत)|değil|(?:— |- )?(?:неверн|неправильн)"
    r"|ليس|خطأ|ผิด|ไม่ถูก"
)
_DENIED = re.compile(  # what follows an option that is denied: "is wrong", ", but it can not be", "isn't"
    r"^[\s\"')\]*]*(?:[,;]\s*)?(?:(?:but|and|which|that|it|this|option|choice|answer)\s+)*"
    r"(?:(?:is|was|are|seems?|looks?|would be|must be|could|does|did|has been|can be|should be)\s+"
    r"(?:(?:clearly|definitely|obviously|also|simply|just|probably)\s+)?"
    r"(?:not|wrong|incorrect|false|ruled out|eliminated|excluded|impossible|(?:a|the) distractor)\b"
    r"|can ?not\b|(?:is|was|are|does|did|could|would|ca)n['’]t\b)"
    r"|^[\"'”’)\]*]* ?[?？] ?(?:no|nope|not|wrong)\b"
    r"|^[\s\"'”’」』）)\]]*(?:is|was|seems|looks)? ?(?:highly |very |rather )?"
    r"(?:unlikely|improbable|out of the question)\b"
    rf"|^[\s\"'”’」』）)\]]*(?:{_DENIED_ABROAD})",
    re.I,
)


def parse_choice(text: str, choices: Sequence[str]) -> Choice:
    """Index of the chosen option, by the first rung that holds (benchmarks notes 5.3, strict), marking aside:

    1. the whole reply is one letter, any case;
    2. the whole reply is the text of one option;
    3. a letter is said to be the answer ("The answer is b", "Final answer: B");
    4. a capital letter stands as a token of its own. Two different ones: unparsed. A bare "A" before another word may
       make a reply ambiguous, never decides it. A letter inside an option's text that the reply holds, or inside a
       name (John D. Smith, Vitamin C, Mary I), is none;
    5. exactly one option's text stands in the reply at word boundaries. An option inside a longer one that is also
       found ("car" in "red car") does not count.

    What is negated ("not B", "B is wrong") is not chosen. Options that differ in case, quotes or signs alone are told
    apart by the exact text; two options of one text are not, so only their letters choose one.

    >>> options = ("cat", "dog", "red car", "blue house")
    >>> [parse_choice(reply, options) for reply in ("B", "**(B)**.", "b", "The answer is B", "A cat", "A dog is there")]
    [1, 1, 1, 1, 0, 1]
    >>> {parse_choice(reply, options) for reply in ("Answer: B or C", "a dog or a cat", "It is not B")}
    {<Unparsed.UNPARSED: 'unparsed'>}
    >>> parse_choice("Peter D. Gray", ("Maria B. Lopez", "Ann C. Wu", "Peter D. Gray", "Al A. Ng"))
    2
    """
    return _parsed(text, tuple(choices))


@lru_cache(maxsize=4096)  # several metrics of one item ask in a row
def _parsed(text: str, choices: tuple[str, ...]) -> Choice:
    letters = ascii_uppercase[: len(choices)]
    said = _plain(text)
    alone = said.strip(_SENTENCE_MARKS + _QUOTES + "*").upper()
    if len(alone) == 1 and alone in letters:
        return letters.index(alone)
    whole = _equal(text, choices)
    if whole:
        return whole[0] if len(whole) == 1 else UNPARSED
    mentions = _mentions(said, choices)
    told = _told(said, letters)
    if told is None:
        decisive, seen = _letters(_without_mentions(said, choices, mentions), letters)
        if len(seen) > 1:
            return UNPARSED
        told = decisive.pop() if decisive else None
    if told is not None:
        return letters.index(told)
    return _only(said, choices, mentions)


def _plain(text: str) -> str:
    """The reply without marking, full-width forms and what cannot be seen."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_UNSEEN)
    return unmarked(text).strip()


def _told(said: str, letters: str) -> str | None:
    """The one letter that the reply calls its answer."""
    found = {
        match[1].upper()
        for match in _SAID_TO_BE.finditer(said)
        if match[1].upper() in letters
        and not (match[1].islower() and match[1] in "ai" and said[match.end() : match.end() + 1] == " ")
        and not _ALTERNATIVE.match(said[match.end() :])
        and not _negated(said, match.start(1), match.end(1))
    }
    lines = (line.strip(_SENTENCE_MARKS + _QUOTES) for line in said.splitlines())
    found |= {line for line in lines if len(line) == 1 and line in letters}  # "B", then a line of reasons
    return found.pop() if len(found) == 1 else None


def _letters(said: str, letters: str) -> tuple[set[str], set[str]]:
    """Letters that may decide, and all that were seen."""
    decisive, seen = set(), set()
    tokens = [
        found
        for found in _TOKEN.finditer(said)
        if found[1] in letters and not _in_a_name(said[: found.start()], said[found.end() :])
    ]
    negated = _all_negated(said, [found.span() for found in tokens])
    for found in tokens:
        letter, after = found[1], said[found.end() :]
        if found.span() in negated:
            continue
        follows = re.match(r" +(\w+)", after)
        if letter == "I" and follows and follows[1] != "is":
            continue
        seen.add(letter)
        if not (letter == "A" and follows):
            decisive.add(letter)
    return decisive, seen


def _in_a_name(before: str, after: str) -> bool:
    """Whether a capital letter between the two belongs to a name: John D. Smith, Vitamin C, C major, Mary I."""
    previous = re.search(r"([^\W\d_]+(?:['’][^\W\d_]+)?)\.? +$", before)
    word = previous[1] if previous else ""
    if _GOES_ON.match(after) or _KINDS.fullmatch(word):
        return True
    return word[:1].isupper() and not _TELLS.fullmatch(word)


def _negated(said: str, start: int, end: int) -> bool:
    """Whether `said[start:end]` is what the reply says it is not: "not B", "I don't think it is B", "B is wrong"."""
    clause = _CLAUSE.split(said[max(0, start - 80) : start])[-1]
    negations = list(_NEGATION.finditer(clause))
    if negations and len(_WORD.findall(clause[negations[-1].end() :])) <= _NEGATED_WITHIN:
        return True
    return _DENIED.match(said[end : end + 60]) is not None


# Between the members of a list; `text` stands for an option's own ("A) Lyon, C) Rome" becomes "A) text, C) text").
_LISTED = re.compile(
    r"[\s\"'()\[\].:*]*(?:text\b)?[\s\"')\].]*(?P<join>(?:[,/&]|\b(?:or|nor|and)\b|\s)+)"
    r"(?:\b(?:in|at|to|from|an?|the|option|choice|even|also|yet)\b|[\s\"'(\[*])*",
    re.I,
)
_JOINED = re.compile(r"\b(?:or|nor|and)\b|[/&]", re.I)
_AFFIRMED = re.compile(r"[\s\"')\].:]*(?:text\b)?[^\w.;!?]*\b(?:but|rather)\b[^.;!?]*$", re.I)
_IS_SO = re.compile(r"[\s\"')\].]*(?:is|was|would be|must be|should be|has to be|seems)\b", re.I)


def _all_negated(said: str, places: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of the places, in their order, that are negated: by themselves, or as part of a list after a negation.

    A list is joined by a conjunction, has three parts, or is followed by "but" and an option: "not A, C or D", "not A,
    C, D", "not A, C but B". Two with a comma between them are none, for "not A, B" means B.
    """
    negated = {place for place in places if _negated(said, *place)}
    for first, place in enumerate(places):
        if place not in negated or _DENIED.match(said[place[1] : place[1] + 60]):
            continue
        last = first
        while last + 1 < len(places) and _is_next(said, places[last], places[last + 1]):
            last += 1
        inside = said[place[1] : places[last][0]]
        follows = said[places[last][1] : places[last + 1][0]] if last + 1 < len(places) else ""
        affirmed = _AFFIRMED.fullmatch(follows) and not _NEGATION.search(follows)
        if last - first >= 2 or _JOINED.search(inside) or affirmed:
            negated.update(places[first : last + 1])
    return negated


def _is_next(said: str, one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether the other continues a list; what "is" so begins a sentence of its own."""
    between = _LISTED.fullmatch(said[one[1] : other[0]])
    return between is not None and bool(between["join"].strip()) and not _IS_SO.match(said[other[1] :])


@lru_cache(maxsize=65536)  # of one item, its answer is asked for by every metric
def _equal(text: str, choices: tuple[str, ...]) -> tuple[int, ...]:
    """The options whose text this is, compared as exactly as at least one option allows."""
    alike = tuple(i for i, choice in enumerate(choices) if (same(text, choice) if bare(text) else text == choice))
    if len(alike) > 1:
        for form in _FORMS:
            wanted = form(text)
            if found := tuple(i for i in alike if form(choices[i]) == wanted):
                return found
    return alike


_FORMS: tuple[Callable[[str], str], ...] = (
    str.strip,
    _plain,
    lambda text: _plain(text).strip(_SENTENCE_MARKS),
    normalise,  # “x” is "x" before it is x
    lambda text: _plain(text).strip(_SENTENCE_MARKS + _QUOTES),
    lambda text: normalise(text).strip(_SENTENCE_MARKS),
    bare,
)


def _mentions(said: str, choices: Sequence[str]) -> list[int]:
    """The options whose texts stand in the reply, without those inside a longer one that is also found."""
    haystack = normalise(said)
    needles = [bare(choice) for choice in choices]
    found = [i for i, needle in enumerate(needles) if occurs(haystack, needle)]
    return [i for i in found if not any(needles[i] != needles[j] and occurs(needles[j], needles[i]) for j in found)]


def _without_mentions(said: str, choices: Sequence[str], mentions: Sequence[int]) -> str:
    """The reply with a word in place of each option's text, so that the letters inside it are gone."""
    for option in sorted((_plain(choices[i]).strip(_SENTENCE_MARKS) for i in mentions), key=len, reverse=True):
        if len(option) > 1:
            said = re.sub(rf"(?<!\w){re.escape(option)}(?!\w)", "text", said, flags=re.I)
    return said


def _only(said: str, choices: Sequence[str], mentions: Sequence[int]) -> Choice:
    """The one option that is mentioned and not negated."""
    kept = list(mentions)
    if len(mentions) != 1 or _NEGATION.search(said) or _WRONG.search(said):
        haystack = normalise(said)
        places = {i: _places(haystack, bare(choices[i])) for i in mentions}
        negated = _all_negated(haystack, _apart(place for found in places.values() for place in found))
        kept = [i for i in mentions if not places[i] or not all(_within(place, negated) for place in places[i])]
    if len(kept) > 1 and len({bare(choices[i]) for i in kept}) == 1:
        kept = _sharpest(said, choices, kept)
    return kept[0] if len(kept) == 1 else UNPARSED


_WRONG = re.compile(
    rf"\b(?:wrong|incorrect|false|distractor|impossible|unlikely|improbable)\b|[?？] ?no|{_DENIED_ABROAD}", re.I
)


def _places(haystack: str, needle: str) -> list[tuple[int, int]]:
    """Where an option's text stands, both in normal form."""
    starts, start = [], haystack.find(needle)
    while start >= 0:
        starts.append(start)
        start = haystack.find(needle, start + 1)
    return [(start, start + len(needle)) for start in starts]


def _apart(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, without those that begin inside another; of those that begin together the longest."""
    kept: list[tuple[int, int]] = []
    for place in sorted(set(places), key=lambda place: (place[0], -place[1])):
        if not kept or place[0] >= kept[-1][1]:
            kept.append(place)
    return kept


def _within(place: tuple[int, int], others: Iterable[tuple[int, int]]) -> bool:
    return any(start <= place[0] and place[1] <= end for start, end in others)


def _sharpest(said: str, choices: Sequence[str], alike: Sequence[int]) -> list[int]:
    """Of options with one normal form, those whose exact text stands in the reply; of nested ones the longest."""
    for form in (str, str.casefold):
        texts = {i: form(_plain(choices[i]).strip(_SENTENCE_MARKS)) for i in alike}
        found = [i for i in alike if _stands_exactly(form(said), texts[i])]
        best = [i for i in found if not any(texts[i] != texts[j] and texts[i] in texts[j] for j in found)]
        if best:
            return best
    return list(alike)


def _stands_exactly(said: str, option: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(option)}(?!\w)", said) is not None


def parse_first_character(text: str, choices: Sequence[str]) -> Choice:
    """MLLMU-Bench's rule: the first non-space character, upper-cased, if it is an option's letter.

    It reads "A dog is there" as A and "dog" as D; kept to reproduce published numbers.

    >>> parse_first_character("dog", ("cat", "dog", "red car", "blue house"))
    3
    """
    first = text.lstrip()[:1].upper()
    letters = ascii_uppercase[: len(choices)]
    return letters.index(first) if first and first in letters else UNPARSED


def right_choices(answer: str, choices: Sequence[str]) -> frozenset[int]:
    """Indices of the right option: those whose text is the answer, as exactly as one of them has it, else its letter.

    Empty if the answer is neither; the caller decides whose fault that is.

    >>> right_choices("dog", ("cat", "dog")), right_choices("A", ("cat", "dog")), right_choices("cow", ("cat", "dog"))
    (frozenset({1}), frozenset({0}), frozenset())
    """
    by_text = frozenset(_equal(answer, tuple(choices)))
    letters = ascii_uppercase[: len(choices)].casefold()
    letter = bare(answer)
    return by_text or (frozenset({letters.index(letter)}) if len(letter) == 1 and letter in letters else frozenset())


def spelled_answer(right: int, choices: Sequence[str]) -> str:
    """The right option's text; its letter, where another option has the same text. `right_choices` reads both back.

    >>> spelled_answer(1, ("cat", "dog")), spelled_answer(1, ("dog", "dog"))
    ('dog', 'B')
    """
    text = choices[right]
    letter = ascii_uppercase[right : right + 1]
    alone = choices.count(text) == 1 or right_choices(letter, choices) != {right}
    return text if alone else letter


def choose_by_logprob(option_logprobs: Sequence[float]) -> Choice:
    """Index of the option with the highest log-probability; a tie at the top, a NaN or no option is UNPARSED.

    >>> choose_by_logprob([-3.0, -1.0]), choose_by_logprob([-1.0, -1.0])
    (1, <Unparsed.UNPARSED: 'unparsed'>)
    """
    if not option_logprobs or any(math.isnan(value) for value in option_logprobs):
        return UNPARSED
    best = max(option_logprobs)
    winners = [i for i, value in enumerate(option_logprobs) if value == best]
    return winners[0] if len(winners) == 1 else UNPARSED


# "No" in another sense than the answer no, or a part of a name or of a number.
_OTHER_NO = re.compile(
    r"\bnos?(?:[.°] ?| | ?# ?)?(?=\d)|\b(?:dr|mrs?|ms|professor)\.? no\b"
    r"|\bno (?:doubt|question|problem|matter|wonder|one|longer|more|less|fewer|sooner"
    r"|other|better|worse|need|secret|surprise|mistake|denying|exception|reason|idea|clue|comment|time|way to|parking"
    r"|smoking|entry|trespassing|exit|u-turns?|vacancy|contest|limits?|hard feelings"
    r"|later|earlier|big deal|stranger to|worries|offen[cs]e|kidding|joke|sweat"
    r"|match for|man's land|thanks|thank you)\b"
    # told of somebody, or of what is written
    r"|\bsa(?:y|ys|id|ying) [\"']?(?:yes|no)[\"']? to\b"
    r"|\b(?:word|sign|text|label|button|poster|caption|she|he|they|someone)s? (?:says? |said |reads? |saying )?"
    r"[\"']?(?:yes|no)\b(?! (?:is|are)\b)(?=[\"'.!]| is on| was on|$)"
)
_YES_OR_NO = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")  # "no-one" and "yes-man" are words of their own
_UNDECIDED = re.compile(  # yes and no side by side, or one of the two taken back
    r"\b(?:yes|no)\b[\s,./\"']*(?:(?:and|or|but also|but|as well as|maybe|perhaps|actually|wait|sorry|i mean|rather)\b"
    r"[\s,./\"']*)*\b(yes|no)\b"
)
_NOT = re.compile(
    r"\b(?:not|never|neither|nor|cannot|without|hardly|rather than|instead of|far from"
    r"|anything but|doubt)\b|n't\b|\bdeny(?:ing)?\b"
)


@lru_cache(maxsize=4096)
def parse_yes_no(text: str) -> bool | Literal[Unparsed.UNPARSED]:
    """True for yes, False for no: the first word, or the only one of the two that occurs; else UNPARSED.

    Unparsed too: a refusal, yes and no side by side, a negated one ("not a no"), and "no" in another sense ("no doubt",
    "No. 5", "no longer").

    >>> parse_yes_no("**Yes**, it is."), parse_yes_no("There is no dog."), parse_yes_no("The answer is no.")
    (True, False, False)
    >>> {parse_yes_no(text) for text in ("No idea", "Not sure", "No doubt", "No. 5", "not no", "Yes and no")}
    {<Unparsed.UNPARSED: 'unparsed'>}
    """
    if is_refusal(text):
        return UNPARSED
    said = _OTHER_NO.sub(" … ", normalise(text))
    words = _YES_OR_NO.findall(said)
    found = [word for word in words if word in ("yes", "no")]
    if not found or (found[0] != words[0] and len(set(found)) > 1) or _is_undecided(said, found[0]):
        return UNPARSED
    if found[0] != words[0] or said.lstrip(_EDGE_OF_REPLY)[: len(found[0])] != found[0]:
        before = re.split(rf"\b{found[0]}\b", said, maxsplit=1)[0]
        if _NOT.search(_CLAUSE.split(before)[-1]):
            return UNPARSED
    return bool(found[0] == "yes")


_EDGE_OF_REPLY = " \"'`*_([{.…"


def _is_undecided(said: str, first: str) -> bool:
    """Whether the other answer follows as an answer, side by side with the first or in a sentence of its own."""
    other = "no" if first == "yes" else "yes"
    if re.search(rf"\b{first}[\"']? ?\?", said):  # asked, not answered
        return True
    if any(re.match(rf"{first}\b", pair[0]) and pair[1] == other for pair in _UNDECIDED.finditer(said)):
        return True
    return re.search(rf"[.;!?,] ?(?:\w+ ){{0,2}}{other}[.!]?$", said) is not None


def chance_corrected(accuracy: float, options: int) -> float:
    """(accuracy − 1/n) / (1 − 1/n): 0 for guessing among n options, 1 for all right; below 0 is worse than chance.

    Raises ValueError for fewer than two options.

    >>> round(chance_corrected(0.40, 4), 3)
    0.2
    """
    if options < 2:
        raise ValueError(f"chance needs at least two options, not {options}")
    chance = 1 / options
    return (accuracy - chance) / (1 - chance)
