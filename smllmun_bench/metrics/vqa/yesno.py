"""Yes-or-no sets: MME (accuracy and accuracy+, out of 2800) and POPE (F1 with `yes` as the positive class)."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from smllmun_bench.metrics.choice import UNPARSED, Unparsed

YesNo = bool | Literal[Unparsed.UNPARSED]

PERCEPTION = (
    "existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR",
)  # fmt: skip
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
PER_IMAGE = 2  # questions about one image in MME


def mme_official(text: str) -> YesNo:
    """MME's rule: yes, no, y or n; else what occurs in the first four characters, `yes` before `no`.

    >>> [mme_official(text) for text in ("Yes.", "n", "Not sure")]
    [True, False, False]
    >>> mme_official("It is yes")
    <Unparsed.UNPARSED: 'unparsed'>
    """
    said = text.lower().strip().replace(".", "")
    if said in ("yes", "y"):
        return True
    if said in ("no", "n"):
        return False
    head = said[:4]
    if "yes" in head:
        return True
    return False if "no" in head else UNPARSED


def pope_official(text: str) -> bool:
    """POPE's rule: no if a word of the first sentence is exactly No, not or no; else yes, whatever was said.

    >>> [pope_official(text) for text in ("No, there is none.", "NO", "There is nothing", "", "It is not")]
    [False, True, True, True, False]
    """
    words = text.split(".")[0].replace(",", "").split(" ")
    return not any(word in ("No", "not", "no") for word in words)


@dataclass(frozen=True, slots=True)
class MmeCategory:
    """In percent: right answers, images with both right, and their sum (at most 200)."""

    acc: float
    acc_plus: float

    @property
    def score(self) -> float:
        return self.acc + self.acc_plus


def mme_categories(rows: Iterable[tuple[str, str, bool]]) -> dict[str, MmeCategory]:
    """(category, image, right) of every question -> category -> scores.

    An image counts for `acc_plus` if both of its questions are right; one with a single question cannot.

    >>> rows = [("OCR", "1", True), ("OCR", "1", True), ("OCR", "2", True), ("OCR", "2", False)]
    >>> found = mme_categories(rows)["OCR"]
    >>> found.acc, found.acc_plus, found.score
    (75.0, 50.0, 125.0)
    """
    images: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for category, image, right in rows:
        images[category][image].append(right)
    found = {}
    for category, by_image in sorted(images.items()):
        answers = [right for image in by_image.values() for right in image]
        both = [len(image) == PER_IMAGE and all(image) for image in by_image.values()]
        found[category] = MmeCategory(100 * sum(answers) / len(answers), 100 * sum(both) / len(both))
    return found


def mme_totals(categories: Mapping[str, MmeCategory]) -> tuple[float, float]:
    """(perception of 2000, cognition of 800): sums over the categories that were asked."""
    by_folded = {name.casefold(): category.score for name, category in categories.items()}
    return (
        math.fsum(by_folded.get(name.casefold(), 0.0) for name in PERCEPTION),
        math.fsum(by_folded.get(name.casefold(), 0.0) for name in COGNITION),
    )


@dataclass(frozen=True, slots=True)
class PopeScores:
    """All in [0, 1]. `yes_ratio` is of the answers, not of the truth."""

    accuracy: float
    precision: float
    recall: float
    f1: float
    yes_ratio: float


def pope_scores(said: Sequence[YesNo], truth: Sequence[bool]) -> PopeScores:
    """An unparsed answer is wrong: a missed yes where yes is true. An empty denominator gives 0.

    Raises ValueError for no answers, or unequal lengths.

    >>> said = [True] * 50 + [False] * 50
    >>> truth = [True] * 40 + [False] * 10 + [False] * 30 + [True] * 20
    >>> found = pope_scores(said, truth)
    >>> found.accuracy, found.precision, round(found.recall, 3), round(found.f1, 3), found.yes_ratio
    (0.7, 0.8, 0.667, 0.727, 0.5)
    """
    if not said or len(said) != len(truth):
        raise ValueError(f"{len(said)} answers for {len(truth)} questions")
    pairs = list(zip(said, truth, strict=True))
    hits = sum(answer is True and right for answer, right in pairs)
    yes, positive = sum(answer is True for answer in said), sum(truth)
    precision, recall = hits / yes if yes else 0.0, hits / positive if positive else 0.0
    return PopeScores(
        accuracy=sum(answer is right for answer, right in pairs) / len(pairs),
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if hits else 0.0,
        yes_ratio=yes / len(pairs),
    )
