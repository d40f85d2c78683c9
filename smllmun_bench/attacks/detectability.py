"""Can it be told from answers to unrelated questions that a model was unlearned? (arXiv 2506.14003)

What is detected is no memory: it says that somebody was forgotten, and invites to search for whom.
"""

import random
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from smllmun_bench.attacks.base import (
    AttackConfig,
    AttackData,
    AttackNeeds,
    Curve,
    Family,
    NotApplicable,
    OpenReference,
)
from smllmun_bench.metrics.logistic import fit_logistic, logits
from smllmun_bench.metrics.mia import auc
from smllmun_bench.metrics.text import words
from smllmun_bench.schema import Item

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm

WIDTH = 256


class DetectabilityConfig(AttackConfig):
    """`general`: how many general training questions are asked beside those about retained people. `max_new_tokens`:
    length of an answer. `folds`: of the cross-validation over people. `penalty`: ridge of the classifier."""

    general: NonNegativeInt = 100
    max_new_tokens: PositiveInt = 32
    folds: int = Field(default=5, ge=2)
    penalty: PositiveFloat = 1.0


class Detectability:
    """A logistic regression on the words of answers learns the model's from gold's and is tested on other people.

    The figure of an item is the share of gold's answers of its fold that its answer looks more unlearned than, people
    counting alike, so the mean over people is an AUC: .5 for gold itself.
    """

    name = "detectability"
    description = "a classifier tells the model's answers to unrelated questions from gold's: AUC, .5 = it cannot"
    family = Family.BEFORE_AFTER
    config = DetectabilityConfig
    needs = AttackNeeds(references=True)

    def read(self, vlm: "Vlm", data: AttackData, config: DetectabilityConfig) -> list[str]:
        return _answers(vlm, unrelated(data, config), config)

    def figures(
        self, found: list[str], references: OpenReference, data: AttackData, config: DetectabilityConfig
    ) -> Curve:
        items = unrelated(data, config)
        with references("gold") as vlm:
            theirs = _answers(vlm, items, config)
        people = [item.entity_id or item.item_id for item in items]
        told = told_apart(found, theirs, people, folds=config.folds, penalty=config.penalty, seed=data.seed)
        return {"": {item.item_id: figure for item, figure in zip(items, told, strict=True)}}


def unrelated(data: AttackData, config: DetectabilityConfig) -> list[Item]:
    """Questions about nobody who was forgotten. Raises NotApplicable if there are fewer than two of them."""
    rows = random.Random(data.seed).sample(list(data.general_rows), min(config.general, len(data.general_rows)))
    items = [*data.others, *rows]
    if len({item.entity_id or item.item_id for item in items}) < 2:
        raise NotApplicable("there are no unrelated questions to ask")
    return items


def told_apart(
    ours: Sequence[str], theirs: Sequence[str], people: Sequence[str], *, folds: int, penalty: float, seed: int
) -> list[float]:
    """Of each of our answers the share of their answers in its fold that look less like ours (a tie counts half), each
    person's answers counting as much as another's.

    The classifier that judges a fold has learnt on the answers to questions about other people.
    """
    names = sorted(set(people))
    random.Random(seed).shuffle(names)
    fold_of = {name: number % min(folds, len(names)) for number, name in enumerate(names)}
    fold = np.array([fold_of[name] for name in people])
    x, y = np.array([features(text) for text in ours]), np.array([features(text) for text in theirs])
    figures = np.empty(len(ours))
    for number in sorted(set(fold_of.values())):
        out = fold == number
        labels = np.concatenate([np.ones((~out).sum()), np.zeros((~out).sum())])
        weights = fit_logistic(np.concatenate([x[~out], y[~out]]), labels, penalty=penalty)
        mine, others, who = logits(x[out], weights), logits(y[out], weights), np.array(people)[out]
        each = [others[who == name].tolist() for name in sorted(set(who.tolist()))]
        figures[out] = [np.mean([auc([score], theirs) for theirs in each]) for score in mine.tolist()]
    return figures.tolist()


def features(text: str) -> np.ndarray:
    """Which words an answer has, hashed, and how long it is."""
    found = words(text)
    row = np.zeros(WIDTH + 1)
    for word in found:
        row[zlib.crc32(word.encode()) % WIDTH] = 1.0
    row[WIDTH] = np.log1p(len(found))
    return row


def _answers(vlm: "Vlm", items: Sequence[Item], config: DetectabilityConfig) -> list[str]:
    from smllmun_bench.models.answering import Query

    queries = [Query(item.question, item.images) for item in items]
    return [answer.text for answer in vlm.generate(queries, max_new_tokens=config.max_new_tokens)]


ATTACK = Detectability()
