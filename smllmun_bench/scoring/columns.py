"""The columns of the table: which items each is the mean of, and whom an item is about."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from smllmun_bench.schema import Kind, Modality, Role, Score

UNDERSTANDING = (Role.UNDERSTANDING_FORGET, Role.UNDERSTANDING_RETAIN)
KEPT = (Role.RETAIN, *UNDERSTANDING, Role.GENERAL, Role.LANGUAGE)  # where declining to answer is a fault
MEMORY = ("forget_image", "forget_text")  # the columns that unlearning is to move
LARGEST_LOSS = 50.0  # nats per token; far beyond guessing, and still a number where a model computes none


@dataclass(frozen=True, slots=True)
class ColumnItems:
    """Which items a column of the table is the mean of. None: any."""

    roles: tuple[Role, ...]
    modality: Modality | None = None
    kind: Kind | None = None
    but: Kind | None = None

    def holds(self, score: Score) -> bool:
        asked = self.kind in (None, score.kind) and score.kind is not self.but
        return asked and score.role in self.roles and self.modality in (None, score.modality)


COLUMN_ITEMS: Mapping[str, ColumnItems] = MappingProxyType(
    {
        "forget_image": ColumnItems((Role.FORGET,), Modality.IMAGE_TEXT, Kind.OPEN),
        "forget_text": ColumnItems((Role.FORGET,), Modality.TEXT, Kind.OPEN),
        "retain_image": ColumnItems((Role.RETAIN,), Modality.IMAGE_TEXT, Kind.OPEN),
        "retain_text": ColumnItems((Role.RETAIN,), Modality.TEXT, Kind.OPEN),
        "understanding_forget": ColumnItems((Role.UNDERSTANDING_FORGET,)),
        "understanding_retain": ColumnItems((Role.UNDERSTANDING_RETAIN,)),
        "general_vqa": ColumnItems((Role.GENERAL,)),
        "language": ColumnItems((Role.LANGUAGE,), but=Kind.PASSAGE),
        "passages": ColumnItems((Role.LANGUAGE,), kind=Kind.PASSAGE),
    }
)


def identity(score: Score) -> str:
    """Whom an item is about; an item about nobody stands for itself."""
    return score.entity_id or f"item {score.item_id}"


def by_identity(scores: Iterable[Score]) -> dict[str, list[float]]:
    """Identity -> its headlines, items in the order of their ids: what `statistics.paired_difference` compares."""
    grouped: dict[str, list[float]] = {}
    for score in sorted(scores, key=lambda score: score.item_id):
        grouped.setdefault(identity(score), []).append(score.headline)
    return grouped


def passage_loss(probability: float) -> float:
    """−ln of the mean probability per token, in nats: the mean negative log-probability of the passage's tokens.

    >>> passage_loss(1.0), round(passage_loss(0.1), 3), passage_loss(0.0)
    (0.0, 2.303, 50.0)
    """
    return min(LARGEST_LOSS, abs(math.log(probability))) if probability > 0 else LARGEST_LOSS
