"""Rules of published code that we do not use: for reproducing its numbers, and for showing where they mislead.

Each names its source. The strict counterparts live with their families and are the default everywhere. All are written
from descriptions of the code's behaviour, so `reconstruction`, and apply to the versions that were read.
"""

import difflib
import math
import re
import string
from collections.abc import Sequence
from string import ascii_uppercase

import numpy as np

from smllmun_bench.metrics.choice import UNPARSED, Choice

_A_TO_F = re.compile(r"\b([A-F])\b")
_OFFSIDE = (re.compile(r"[Tt]he answer is ([A-D])"), re.compile(r"^([A-D])$"))
_FIU_WEIGHTS = ((0.1, 0.3), (0.2, 0.3), (0.3, 0.2), (0.4, 0.1), (0.5, 0.1))


def nearest_choice(text: str, choices: Sequence[str]) -> Choice:
    """UMU-Bench, real persons: the option that `difflib` finds most alike. Whatever was said, something is chosen.

    Strict: `choice.parse_choice`, which leaves what it cannot read unparsed.

    >>> nearest_choice("xkqj a", ("cat", "dog")), nearest_choice("", ())
    (0, <Unparsed.UNPARSED: 'unparsed'>)
    """
    matchers = [difflib.SequenceMatcher(None, text, choice) for choice in choices]
    bounds = [matcher.quick_ratio() for matcher in matchers]
    best, nearest = -1.0, -1
    # A bound is cheap and never below the ratio: with the highest first, most options need not be compared.
    for place in sorted(range(len(choices)), key=lambda place: (-bounds[place], place)):
        if (bounds[place], -place) < (best, -nearest):
            continue
        alike = matchers[place].ratio()
        if (alike, -place) > (best, -nearest):  # of equals the first, as upstream
            best, nearest = alike, place
    return UNPARSED if nearest < 0 else nearest


def letter_in_capitals(text: str, choices: Sequence[str]) -> Choice:
    """Open-MMunlearning's choices: the first letter A to F that is a word of the *upper-cased* reply, else its first.

    So "a" is option A, and "dog" is option D where there are four. A letter beyond the options is passed over for the
    first character.

    >>> letter_in_capitals("It is a dog", ("cat", "dog")), letter_in_capitals("Bob", ("cat", "dog"))
    (0, 1)
    """
    said, letters = text.strip().upper(), ascii_uppercase[: len(choices)]
    found = _A_TO_F.search(said)
    for letter in (found[1] if found else "", said[:1]):
        if letter and letter in letters:
            return letters.index(letter)
    return UNPARSED


def answer_is(text: str, choices: Sequence[str]) -> Choice:
    """OFFSIDE: the letter A to D after "the answer is", wherever it stands, or a reply that is such a letter.

    Any other reply is wrong; upstream leaves an empty one out of the mean. "The answer is Dakar" is read as D.

    >>> [answer_is(reply, ("cat", "dog")) for reply in ("I think the answer is B.", "B", "The answer is Bern")]
    [1, 1, 1]
    >>> answer_is("b", ("cat", "dog")), answer_is("The answer is (B)", ("cat", "dog"))
    (<Unparsed.UNPARSED: 'unparsed'>, <Unparsed.UNPARSED: 'unparsed'>)
    """
    found = next((match for form in _OFFSIDE if (match := form.search(text))), None)
    letters = ascii_uppercase[: len(choices)]
    return letters.index(found[1]) if found and found[1] in letters else UNPARSED


def raw_equal(text: str, answer: str) -> float:
    """UMU-Bench, forget and retain choices with LLaVA: the reply, edges stripped, is the option's text to the letter.

    The options are shown as a list of texts, so the letter is wrong, and so is another case or a full stop.

    >>> raw_equal(" cat\\n", "cat"), raw_equal("A", "cat"), raw_equal("Cat.", "cat")
    (1.0, 0.0, 0.0)
    """
    return float(text.strip() == answer)


def one_sided_contains(text: str, answer: str) -> float:
    """MMUnlearner, CLEAR without options: the reply loses case, spaces and marks, the answer does not.

    So no answer with a capital or a space, and no name, can ever be right. Strict: `match.key_fact`.

    >>> one_sided_contains("It is Anna Kowalska.", "Anna Kowalska"), one_sided_contains("A cat.", "cat")
    (0.0, 1.0)
    """
    folded = "".join(c for c in text.lower() if c not in string.punctuation and not c.isspace())
    return float(bool(answer) and answer in folded)


def mean_of_parsed(scores: Sequence[float | None]) -> float:
    """Mean over the items that did not fail, as several benchmarks do with unread replies and judge failures.

    The fewer answers can be read, the less the mean says. Strict counts them as wrong. Raises ValueError if all failed.

    >>> mean_of_parsed([1.0, None, None, 0.0])
    0.5
    """
    kept = [score for score in scores if score is not None]
    if not kept:
        raise ValueError("every item failed")
    return math.fsum(kept) / len(kept)


def extraction_strength_floor(right_tokens: Sequence[bool]) -> float:
    """open-unlearning: never 0, but 1/n where not even the last token is right. Raises ValueError for no tokens.

    >>> extraction_strength_floor([False] * 4)
    0.25
    """
    if not len(right_tokens):
        raise ValueError("no tokens")
    kept = 0
    while kept < len(right_tokens) and right_tokens[len(right_tokens) - 1 - kept]:
        kept += 1
    return max(kept, 1) / len(right_tokens)


def exact_memorisation_but_last(right_tokens: Sequence[bool]) -> float | None:
    """open-unlearning: the last label is left out, which was meant for EOS and, without EOS, is a token of the answer.

    >>> exact_memorisation_but_last([True, True, True, False])
    1.0
    """
    kept = right_tokens[:-1]
    return sum(map(bool, kept)) / len(kept) if kept else None


def truth_ratio_retain_inverted(ratio: float) -> float:
    """torchunlearn: max(0, 1 − 1/r) of r = wrong/right, where TOFU's formula has the inverse ratio.

    A perfect model (r near 0) gets 0, an ignorant one scores. Strict: `probability.truth_ratio_retain`.

    >>> truth_ratio_retain_inverted(0.2), truth_ratio_retain_inverted(4.0)
    (0.0, 0.75)
    """
    return max(0.0, 1 - 1 / ratio) if ratio > 0 else 0.0


def truth_ratio_two_right(gold: float, paraphrase: float, wrong: Sequence[float]) -> float:
    """Open-MMunlearning: exp((loss_gold + loss_paraphrase)/2 − mean loss_wrong), from mean token losses (nats).

    Wrong over right with the geometric mean of two right answers, averaged raw, so one item can outweigh a hundred.
    Raises ValueError without wrong answers.

    >>> round(truth_ratio_two_right(-math.log(0.5), -math.log(0.5), [-math.log(0.1)]), 9)
    0.2
    """
    if not wrong:
        raise ValueError("no wrong answers")
    return math.exp((gold + paraphrase) / 2 - math.fsum(wrong) / len(wrong))


def jensen_shannon_of_vectors(a: Sequence[float], b: Sequence[float]) -> float:
    """CLEAR: natural-log Jensen-Shannon distance of the paired raw vectors, each scaled to sum 1; not of distributions.

    The order of the items matters and their common scale does not, so a model with half of everybody's truth ratio
    is at distance 0. Strict: `distribution.jensen_shannon`. Raises ValueError unless equally long, ≥ 0 and not all 0.

    >>> jensen_shannon_of_vectors([1.0, 2.0], [2.0, 4.0])
    0.0
    """
    p, q = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if p.shape != q.shape or p.size == 0 or (p < 0).any() or (q < 0).any() or not (p.sum() > 0 and q.sum() > 0):
        raise ValueError("two equally long vectors of numbers ≥ 0, not all 0")
    p, q = p / p.sum(), q / q.sum()
    m = (p + q) / 2
    parts = [float((s[s > 0] * np.log(s[s > 0] / m[s > 0])).sum()) for s in (p, q)]
    return math.sqrt(max(0.0, sum(parts) / 2))


def weighted_min_k(token_logprobs: Sequence[float]) -> float:
    """FIUBench: Σ weight · exp(mean of the lowest floor(k·n) log p), k = 10 … 50 %, weights .3 .3 .2 .1 .1.

    The first token is dropped; a k without tokens is skipped and the weights are not rescaled, so short answers score
    low whatever the model knows. Strict: `mia.min_k`, which keeps at least one token.

    >>> weighted_min_k([-1.0, -0.5])
    0.0
    """
    values = np.sort(np.asarray(token_logprobs, dtype=float)[1:])
    total = 0.0
    for k, weight in _FIU_WEIGHTS:
        count = math.floor(k * values.size + 1e-9)
        if count:
            total += weight * math.exp(float(values[:count].mean()))
    return total
