"""ROUGE-1, ROUGE-2 and ROUGE-L of one prediction against one reference. Equal to the `rouge_score` package."""

from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

from smllmun_bench.metrics.ngrams import in_common, ngrams
from smllmun_bench.metrics.text import words


class Rouge(NamedTuple):
    """Fractions in [0, 1]. Papers say "ROUGE" for any of the three, so the caller names the one it means."""

    precision: float
    recall: float
    f1: float


_NOTHING = Rouge(0.0, 0.0, 0.0)


@lru_cache(maxsize=4096)  # precision, recall and f1 of one item are three metrics
def rouge_l(prediction: str, reference: str, *, stem: bool = False) -> Rouge:
    """Share of words on the longest common subsequence (Lin 2004), the whole text as one sentence.

    With L = |LCS|:  precision = L/|prediction|,  recall = L/|reference|,  f1 = 2L/(|prediction| + |reference|).

    An empty prediction scores 0 in all; its state is counted elsewhere. Raises ValueError if the reference has no
    words.

    >>> rouge_l("a b c d", "a c d e")
    Rouge(precision=0.75, recall=0.75, f1=0.75)
    >>> rouge_l("he paints", "he painted boats", stem=True).f1
    0.8
    """
    got, want = words(prediction, stem), _reference_words(reference, stem)  # by place: a keyword slows a cached call
    return _shares(LCSseq.similarity(got, want), len(got), len(want))


def rouge_n(prediction: str, reference: str, n: int, *, stem: bool = False) -> Rouge:
    """Share of n-grams in common, each counted at most as often as the other side has it (Lin 2004).

    With M = Σ min(count):  precision = M/|n-grams of prediction|,  recall = M/|n-grams of reference|,
    f1 = their harmonic mean. All 0 where a side is shorter than n. Raises ValueError if the reference has no words.

    >>> rouge_n("a b c d", "a c d e", 2)
    Rouge(precision=0.3333333333333333, recall=0.3333333333333333, f1=0.3333333333333333)
    """
    got = ngrams(words(prediction, stem), n)
    want = ngrams(_reference_words(reference, stem), n)
    return _shares(in_common(got, want), len(got), len(want))


def _reference_words(reference: str, stem: bool) -> tuple[str, ...]:
    want = words(reference, stem)
    if not want:
        raise ValueError(f"reference has no words: {reference!r}")  # a fault of the data, not a score
    return want


def _shares(common: int, got: int, want: int) -> Rouge:
    if not common:
        return _NOTHING
    parts = (common / got, common / want, 2 * common / (got + want))
    return tuple.__new__(Rouge, parts)  # a third of the time of calling Rouge, which scoring does by the million
