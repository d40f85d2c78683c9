"""Choice sets: how MMBench, MMMU, ScienceQA and SEED-Bench read a letter, and MMBench's circular evaluation.

Options are texts; an answer is the index of one. Where upstream draws a random letter, here it is UNPARSED: the random
letter gives a destroyed model the credit of chance. Each rule says whose it is; the data cards name the version.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from smllmun_bench.metrics.choice import UNPARSED, Choice, parse_first_character

ROTATION = 1_000_000  # MMBench: index = base + n · ROTATION
_MMBENCH_LETTERS = 5  # read in every reply: E is the judge's "none of them", whatever the number of options
_MMBENCH_MARKED = ("{}.", "{},", "{}:", "{})", "{}).", "({})", "({}).", ":{}", ":{},", ":{}.", ":{})", ":{}).")
_MMBENCH_FEW = 3  # words; beyond, a bare A may be the article
_MMMU_EDGE = ",.!?;:'"
_MMMU_MANY = 5  # words; beyond, option texts count
_SCIENCEQA_SENTENCE = re.compile(r"The answer is ([A-Z]).")  # any character may end it


def mmbench_official(text: str, choices: Sequence[str]) -> Choice:
    """lmms-eval's ladder, without its judge: one bare letter, else one marked letter, else one option's text.

    Letters are tokens between white space. A bare "A" in a reply of more than three of them decides nothing, and the
    marked forms are tried. A letter that is no option (E) is read as well, so the reply is wrong.

    >>> options = ("cat", "dog", "red car", "blue house")
    >>> [mmbench_official(reply, options) for reply in ("B) text", "A car", "A dog is there", "The answer is (A).")]
    [1, 0, 1, 0]
    >>> mmbench_official("b", options), mmbench_official("Answer: B or C", options)
    (<Unparsed.UNPARSED: 'unparsed'>, <Unparsed.UNPARSED: 'unparsed'>)
    """
    tokens = set(text.split())
    letters = ascii_uppercase[: max(_MMBENCH_LETTERS, len(choices))]
    article = "A" in tokens and len(text.split()) > _MMBENCH_FEW
    for marks in _mmbench_marks(letters)[article:]:
        found = [place for place, mark in enumerate(marks) if mark in tokens]
        if len(found) == 1:
            return found[0] if found[0] < len(choices) else UNPARSED
    said = text.lower()
    named = [place for place, choice in enumerate(choices) if choice.lower() in said]
    return named[0] if len(named) == 1 else UNPARSED


@lru_cache
def _mmbench_marks(letters: str) -> tuple[tuple[str, ...], ...]:
    """The forms in which a letter is read, the bare one first, each for every letter."""
    return tuple(tuple(form.format(letter) for letter in letters) for form in ("{}", *_MMBENCH_MARKED))


def mmmu_official(text: str, choices: Sequence[str]) -> Choice:
    """MMMU's own rule: `(A)`, else ` A `, else an option's text in a reply of more than five words; the last counts.

    >>> options = ("cat", "dog", "red car", "blue house")
    >>> [mmmu_official(reply, options) for reply in ("(B)", "B.", "Answer: B or C", "A cat", "a dog or a red car")]
    [1, 1, 2, 0, 2]
    >>> mmmu_official("B) text", options), mmmu_official("b", options)
    (<Unparsed.UNPARSED: 'unparsed'>, <Unparsed.UNPARSED: 'unparsed'>)
    """
    for mark in _MMMU_EDGE:
        text = text.strip(mark)
    said = f" {text} "
    letters = ascii_uppercase[: len(choices)]
    rungs = [(said, [f"({letter})" for letter in letters]), (said, [f" {letter} " for letter in letters])]
    if len(said.split()) > _MMMU_MANY:
        rungs.append((said.lower(), [choice.lower() for choice in choices]))
    for haystack, needles in rungs:
        places = [haystack.rfind(needle) for needle in needles]
        if max(places, default=-1) >= 0:
            return places.index(max(places))
    return UNPARSED


def scienceqa_official(text: str, choices: Sequence[str]) -> Choice:
    """The letter alone (any case) or letter and dot, as lmms-eval; else ScienceQA's own "The answer is B.", said once.

    >>> [scienceqa_official(reply, ("x", "y")) for reply in ("B", "b", "B. y", "So it is y. The answer is B.")]
    [1, 1, 1, 1]
    >>> scienceqa_official("(B)", ("x", "y")), scienceqa_official("The answer is A. The answer is B.", ("x", "y"))
    (<Unparsed.UNPARSED: 'unparsed'>, <Unparsed.UNPARSED: 'unparsed'>)
    """
    said = text.strip()
    if len(said) == 1 or (said[1:2] == "." and said[0] in ascii_uppercase):
        named = [said[0]]
    else:
        named = _SCIENCEQA_SENTENCE.findall(said)
    letters = list(ascii_lowercase[: len(choices)])
    return letters.index(named[0].lower()) if len(named) == 1 and named[0].lower() in letters else UNPARSED


def seed_official(text: str, choices: Sequence[str]) -> Choice:
    """lmms-eval's rule for SEED-Bench: the first character is the letter, any case, so "A dog" chooses A.

    SEED-Bench's own code ranks the options by their loss and reads no reply.

    >>> seed_official("B) y", ("x", "y")), seed_official("b", ("x", "y")), seed_official("A dog", ("cat", "dog"))
    (1, 1, 0)
    """
    return parse_first_character(text, choices)


def circular(rows: Iterable[tuple[int, bool]]) -> tuple[float, float]:
    """(CircularEval, vanilla) of (index, right) rows, in [0, 1].

    Circular: a question is right if all its rotations are. Vanilla: only the row that is not rotated counts.
    Raises ValueError where there is no such row.

    >>> circular([(3, True), (1000003, True), (2000003, True), (3000003, False)])
    (0.0, 1.0)
    """
    rotations: dict[int, dict[int, bool]] = defaultdict(dict)
    for index, right in rows:
        rotations[index % ROTATION][index // ROTATION] = right
    if not rotations:
        raise ValueError("no rows")
    incomplete = sorted(base for base, found in rotations.items() if 0 not in found)
    if incomplete:
        raise ValueError(f"question {incomplete[0]} has rotations but not its first row")
    every = [all(found.values()) for found in rotations.values()]
    first = [found[0] for found in rotations.values()]
    return sum(every) / len(every), sum(first) / len(first)
