"""Soft accuracy of VQAv2, VizWiz and TextVQA: agreement with ten annotators."""

from collections.abc import Callable, Sequence
from enum import StrEnum

from smllmun_bench.metrics.vqa.normalise import evalai_normalise, flat, vqa_normalise

ENOUGH = 3  # annotators that make an answer fully right


class Normaliser(StrEnum):
    """`official`: the challenge's script, which normalises only where the annotators disagree."""

    OFFICIAL = "official"
    ALWAYS = "always"
    EVALAI = "evalai"


def soft_accuracy(reply: str, answers: Sequence[str], normaliser: Normaliser = Normaliser.OFFICIAL) -> float:
    """Mean over annotators, each left out in turn (by position), of min(1, matches among the others / 3).

    Source: VQA challenge, https://visualqa.org/evaluation.html. Raises ValueError without answers.

    >>> [round(soft_accuracy("cat", ["cat"] * n + ["dog"] * (10 - n)), 3) for n in (0, 1, 2, 3, 4, 10)]
    [0.0, 0.3, 0.6, 0.9, 1.0, 1.0]
    >>> soft_accuracy("Yes", ["yes"] * 10), soft_accuracy("Yes", ["yes"] * 10, Normaliser.ALWAYS)
    (0.0, 1.0)
    """
    if not answers:
        raise ValueError("no annotator answered")
    normal = _normaliser(answers, normaliser)
    said = normal(reply)
    hits = [normal(answer) == said for answer in answers]
    total = sum(hits)
    return sum(min(1.0, (total - hit) / ENOUGH) for hit in hits) / len(hits)


def _normaliser(answers: Sequence[str], normaliser: Normaliser) -> Callable[[str], str]:
    if normaliser is Normaliser.EVALAI:
        return evalai_normalise
    agreed = len({flat(answer) for answer in answers}) == 1
    return flat if normaliser is Normaliser.OFFICIAL and agreed else vqa_normalise
