"""How varied a text, or a set of answers, is. Collapse shows here without a judge."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from smllmun_bench.metrics.text import bare

LEAST_QUESTIONS = 5  # fewer different questions may well have one answer


def distinct_n(tokens: Sequence[str], n: int) -> float:
    """Different n-grams / all n-grams (Li et al. 2016); in [0, 1], 1 = nothing repeats, also when shorter than n.

    >>> distinct_n("a b a b a b".split(), 2)
    0.4
    """
    total = len(tokens) - n + 1
    if total <= 0:
        return 1.0
    return len({tuple(tokens[i : i + n]) for i in range(total)}) / total


def repeated_share(tokens: Sequence[str], n: int) -> float:
    """1 − distinct-n: the share of n-grams that were said before; down is better.

    >>> repeated_share("a a a a".split(), 1)
    0.75
    """
    return 1 - distinct_n(tokens, n)


def longest_loop(tokens: Sequence[str], *, repeats: int = 3) -> float:
    """Largest share of the tokens that is one phrase said `repeats` times or more in a row; 0 if none.

    >>> longest_loop("x a b a b a b".split()), longest_loop("a b a b".split())
    (0.8571428571428571, 0.0)
    """
    n, best = len(tokens), 0
    for period in range(1, n // repeats + 1):
        run = 0
        for i in range(period, n):
            run = run + 1 if tokens[i] == tokens[i - period] else 0
            if run + period >= repeats * period:
                best = max(best, run + period)
    return best / n if n else 0.0


def compressed_share(text: str) -> float:
    """Bytes of the zlib-compressed text / bytes of the text; down is more repetitive, 1 and above for short texts.

    >>> compressed_share("US " * 500) < 0.02
    True
    """
    raw = text.encode("utf-8")
    return len(zlib.compress(raw)) / len(raw) if raw else 1.0


def unique_words(texts: Sequence[str]) -> int:
    """How many different words a set of answers uses (MMUBench's diversity counts unique words).

    >>> unique_words(["a red hat", "a blue hat"])
    4
    """
    return len({word for text in texts for word in text.casefold().split()})


def constant_answer(
    questions: Sequence[str],
    texts: Sequence[str],
    truths: Sequence[Sequence[str]] = (),
    *,
    is_right: Callable[[int, str], bool] = lambda place, text: False,
    share: float = 0.5,
) -> str | None:
    """The one string (in normal form) that a model says to everything, or None.

    Each question text weighs the same, however often it is asked, so that a model with one favourite city for all
    "Where does this person live?" is not called constant. A string is constant when it is given to at least `share`
    of at least 5 different questions, and more than twice as often as it is right (`truths`: accepted answers per
    question; `is_right`: whether a text would be right at a place, however it says so): "yes" to a balanced yes-or-no
    set, or "A" to balanced choices of two, is a bias, not a constant.
    Raises ValueError for unequal lengths.

    >>> asked = [f"Who wrote book {i}?" for i in range(6)]
    >>> constant_answer(asked, ["The."] * 5 + ["Ann"]), constant_answer(asked, ["Ann", "Bob", "Eve", "Eve", "Jo", "Al"])
    ('the', None)
    """
    if len(questions) != len(texts) or (truths and len(truths) != len(texts)):
        raise ValueError("one question, and accepted answers if any, per text")
    asked = Counter(questions)
    if len(asked) < LEAST_QUESTIONS:
        return None
    weights: defaultdict[str, float] = defaultdict(float)
    for question, text in zip(questions, texts, strict=True):
        weights[bare(text)] += 1 / asked[question]
    said, weight = max(weights.items(), key=lambda pair: (pair[1], pair[0]))
    if not said or weight < share * len(asked):
        return None
    as_said = next(text for text in texts if bare(text) == said)
    right = sum(
        1 / asked[question]
        for place, question in enumerate(questions)
        if (truths and any(bare(truth) == said for truth in truths[place])) or is_right(place, as_said)
    )
    return said if weight > 2 * right else None


def same_answer_share(texts: Sequence[str]) -> float:
    """Share of answers that are the most frequent one, in normal form; 1 = a constant model. Raises if empty.

    >>> same_answer_share(["Paris", "paris.", "Rome", "Oslo"])
    0.5
    """
    if not texts:
        raise ValueError("no answers")
    return Counter(map(bare, texts)).most_common(1)[0][1] / len(texts)
