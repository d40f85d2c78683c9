"""Choice sets: how MMBench, MMMU, ScienceQA and SEED-Bench read a letter, and MMBench's circular evaluation.

Options are texts; an answer is the index of one. Where upstream draws a random letter, here it is UNPARSED: the random
letter gives a destroyed model the credit of chance.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from string import ascii_uppercase

from smllmun_bench.metrics.choice import UNPARSED, Choice

ROTATION = 1_000_000  # MMBench: index = base + n · ROTATION
_AS_SPACE = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_MMMU_EDGE = ",.!?;:'"
_FEW_WORDS = 3  # MMBench: beyond, a lone A may be the article
_MANY_WORDS = 5  # MMMU: beyond, option texts count


def mmbench_official(text: str, choices: Sequence[str]) -> Choice:
    """The toolkits' ladder: one capital letter among the words (A only in short replies), else one option's text.

    >>> options = ("cat", "dog", "red car", "blue house")
    >>> [mmbench_official(reply, options) for reply in ("B) text", "A car", "A dog is there", "red car")]
    [1, 0, 1, 2]
    >>> mmbench_official("b", options), mmbench_official("Answer: B or C", options)
    (<Unparsed.UNPARSED: 'unparsed'>, <Unparsed.UNPARSED: 'unparsed'>)
    """
    words = text.translate(_AS_SPACE).split()
    letters = [place for place, letter in enumerate(ascii_uppercase[: len(choices)]) if letter in words]
    article = "A" in words and len(words) > _FEW_WORDS
    if len(letters) == 1 and not article:
        return letters[0]
    named = [place for place, choice in enumerate(choices) if choice and choice.lower() in text.lower()]
    return named[0] if len(named) == 1 else UNPARSED


def mmmu_official(text: str, choices: Sequence[str]) -> Choice:
    """MMMU's rule: `(A)`, else ` A `, else an option's text in a reply of more than five words; the last one counts.

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
    forms = ([f"({letter})" for letter in letters], [f" {letter} " for letter in letters])
    for haystack, needles in (*((said, form) for form in forms), (said.lower(), [c.lower() for c in choices])):
        if haystack is not said and len(said.split()) <= _MANY_WORDS:
            break
        places = [haystack.rfind(needle) if needle else -1 for needle in needles]
        if max(places, default=-1) >= 0:
            return places.index(max(places))
    return UNPARSED


def scienceqa_official(text: str, choices: Sequence[str]) -> Choice:
    """The reply is the letter, or begins with letter and dot.

    >>> scienceqa_official("B", ("x", "y")), scienceqa_official("B. y", ("x", "y"))
    (1, 1)
    >>> scienceqa_official("(B)", ("x", "y"))
    <Unparsed.UNPARSED: 'unparsed'>
    """
    said, letters = text.strip(), ascii_uppercase[: len(choices)]
    if said and said[0] in letters and (len(said) == 1 or said[1] == "."):
        return letters.index(said[0])
    return UNPARSED


def seed_official(text: str, choices: Sequence[str]) -> Choice:
    """The first character of the reply is the letter; so "A dog" chooses A.

    >>> seed_official("B) y", ("x", "y")), seed_official("A dog", ("cat", "dog"))
    (1, 0)
    """
    first, letters = text.strip()[:1], ascii_uppercase[: len(choices)]
    return letters.index(first) if first and first in letters else UNPARSED


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
