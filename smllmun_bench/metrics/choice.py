"""Which option was chosen? One ladder for text, one rule for log-probabilities, and never a guess.

An answer that cannot be read is UNPARSED: wrong, and counted. (Several toolkits draw a random letter there, which
gives a destroyed model the credit of chance.)
"""

import math
import re
from collections.abc import Sequence
from enum import Enum
from string import ascii_uppercase
from typing import Final, Literal

from smllmun_bench.metrics.refusal import is_refusal
from smllmun_bench.metrics.text import bare, normalise, occurs


class Unparsed(Enum):
    """The type of `UNPARSED`, so that a type checker tells it from an option's index."""

    UNPARSED = "unparsed"


UNPARSED: Final = Unparsed.UNPARSED
Choice = int | Literal[Unparsed.UNPARSED]

_LETTER = re.compile(r"[(\[*]*([A-Z])[)\].,:*]*")
_WORD = re.compile(r"[^\W_]+")
_ALSO_WORDS = "AI"  # letters that are English words: before another word they decide nothing


def parse_choice(text: str, choices: Sequence[str]) -> Choice:
    """Index of the chosen option, by the first rung that holds (benchmarks notes 5.3, strict):

    1. the whole reply is one letter, any case, edge punctuation aside;
    2. a capital letter stands as a token of its own, bare or with bracket, dot, comma, colon or asterisk. Two
       different ones: unparsed. A bare "A" (or "I") before another word may make a reply ambiguous, never decides it;
    3. exactly one option's text stands in the reply at token boundaries. An option inside a longer one that is also
       found ("car" in "red car") does not count.

    >>> options = ("cat", "dog", "red car", "blue house")
    >>> [parse_choice(reply, options) for reply in ("B", "(B)", "b", "The answer is B", "A cat", "A dog is there")]
    [1, 1, 1, 1, 0, 1]
    >>> parse_choice("Answer: B or C", options), parse_choice("a dog or a cat", options)
    (<Unparsed.UNPARSED: 'unparsed'>, <Unparsed.UNPARSED: 'unparsed'>)
    """
    letters = ascii_uppercase[: len(choices)]
    alone = bare(text).upper()
    if len(alone) == 1 and alone in letters:
        return letters.index(alone)
    decisive, seen = _letter_tokens(text, letters)
    if len(seen) > 1:
        return UNPARSED
    if decisive:
        return letters.index(decisive.pop())
    return _by_text(text, choices)


def _letter_tokens(text: str, letters: str) -> tuple[set[str], set[str]]:
    """Letters that may decide, and all that were seen."""
    tokens = text.split()
    decisive, seen = set(), set()
    for i, token in enumerate(tokens):
        found = _LETTER.fullmatch(token)
        if not found or found[1] not in letters:
            continue
        seen.add(found[1])
        article = token in _ALSO_WORDS and i + 1 < len(tokens)
        if not article:
            decisive.add(found[1])
    return decisive, seen


def _by_text(text: str, choices: Sequence[str]) -> Choice:
    haystack = normalise(text)
    needles = [bare(choice) for choice in choices]
    found = [i for i, needle in enumerate(needles) if occurs(haystack, needle)]
    longest = [i for i in found if not any(i != j and occurs(needles[j], needles[i]) for j in found)]
    return longest[0] if len(longest) == 1 else UNPARSED


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
    """Indices of the right option: those whose text is the answer (options may repeat), else the answer's letter.

    Empty if the answer is neither; the caller decides whose fault that is.

    >>> right_choices("dog", ("cat", "dog")), right_choices("A", ("cat", "dog")), right_choices("cow", ("cat", "dog"))
    (frozenset({1}), frozenset({0}), frozenset())
    """
    by_text = frozenset(i for i, choice in enumerate(choices) if bare(choice) == bare(answer))
    letters = ascii_uppercase[: len(choices)].casefold()
    letter = bare(answer)
    return by_text or (frozenset({letters.index(letter)}) if len(letter) == 1 and letter in letters else frozenset())


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


def parse_yes_no(text: str) -> bool | Literal[Unparsed.UNPARSED]:
    """True for yes, False for no: the first word, or the only one of the two that occurs; a refusal is UNPARSED.

    >>> parse_yes_no("Yes, it is."), parse_yes_no("There is no dog."), parse_yes_no("No idea"), parse_yes_no("Not sure")
    (True, False, <Unparsed.UNPARSED: 'unparsed'>, <Unparsed.UNPARSED: 'unparsed'>)
    """
    if is_refusal(text):
        return UNPARSED
    said = _WORD.findall(text.casefold())
    found = [word for word in said if word in ("yes", "no")]
    if found and (found[0] == said[0] or len(set(found)) == 1):
        return bool(found[0] == "yes")
    return UNPARSED


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
