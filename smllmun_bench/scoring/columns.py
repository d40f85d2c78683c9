"""The columns of the table, each written here and nowhere else: what it is the mean of, and who shows or tests it.

Leaderboard and its CSV, tables on the screen, `compare`, gate, intervals, distance to gold, frontier, model cards and
`tune` read this registry. A new column is one more `Column` in `COLUMNS`, and a line in docs/leaderboard.md.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from smllmun_bench.metrics.states import State
from smllmun_bench.schema import Direction, Kind, Modality, Role, Score

UNDERSTANDING = (Role.UNDERSTANDING_FORGET, Role.UNDERSTANDING_RETAIN)
KEPT = (Role.RETAIN, *UNDERSTANDING, Role.GENERAL, Role.LANGUAGE)  # where declining to answer is a fault
LARGEST_LOSS = 50.0  # nats per token; far beyond guessing, and still a number where a model computes none
NOT_GENERATED = "not_generated"  # a state: only the answer's log-probabilities were taken, nothing was said


@dataclass(frozen=True, slots=True)
class ColumnItems:
    """Which items a column of the table is the mean of. None: any."""

    roles: tuple[Role, ...] | None = None
    modality: Modality | None = None
    kind: Kind | None = None
    but: Kind | None = None

    def holds(self, role: Role, modality: Modality, kind: Kind) -> bool:
        asked = self.kind in (None, kind) and kind is not self.but
        return asked and (self.roles is None or role in self.roles) and self.modality in (None, modality)


class Gated(StrEnum):
    """What the memorisation gate asks of a column (`gate.gate`)."""

    MEMORY = "memory"  # the target must know more than base and gold: that is what unlearning is to move
    RETAINED = "retained"  # the target should know more than the base; told, and changes no verdict
    ABILITY = "ability"  # memorising must not have cost it


class Shown(StrEnum):
    """The table on the screen that has the column."""

    SCORES = "scores"
    ANSWERS = "answers"  # what the answers were, whatever they are worth


Gives = Callable[[Score], float | None]
"""What an item gives to a column; None: it does not count."""


def headline(score: Score) -> float:
    return score.headline


def meaningful(score: Score) -> float | None:
    return score.values.get("meaningful")


def refused(score: Score) -> float | None:
    """1 for a refusal; None for what was never written."""
    return float(score.state == State.REFUSAL) if "meaningful" in score.values else None


def broken(score: Score) -> float | None:
    """1 for a broken answer; None for what was never generated nor chosen."""
    return None if score.state == NOT_GENERATED else float(score.state == State.BROKEN)


def passage_loss(probability: float) -> float:
    """−ln of the mean probability per token, in nats: the mean negative log-probability of the passage's tokens.

    >>> passage_loss(1.0), round(passage_loss(0.1), 3), passage_loss(0.0)
    (0.0, 2.303, 50.0)
    """
    return min(LARGEST_LOSS, abs(math.log(probability))) if probability > 0 else LARGEST_LOSS


def loss(score: Score) -> float:
    return passage_loss(score.headline)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. Without `items` it is no mean of items but a scalar made of other columns (`summary`)."""

    name: str  # in records, files and `compare`
    label: str  # in a sentence or a list
    heading: str  # of a narrow table, in two lines
    direction: Direction  # where a good unlearner moves it
    items: ColumnItems | None = None
    gives: Gives = headline
    by_identity: bool = True  # mean over identities of each one's mean; else the plain mean over items
    pool: str = ""  # whose identities are drawn for its interval; nothing: it is taken as it was measured
    part: str = ""  # of `overall`: columns of one part are averaged; `forget` is held against gold, others must stay
    gate: Gated | None = None
    frontier: str = ""  # panel of the picture that has it on the axis of what was kept
    table: Shown | None = None
    missing: str = "\u2013"  # what stands for "none" in tables
    exported: bool = False  # told by the card of an exported model
    least: float | None = 0.0
    most: float | None = 1.0
    csv_after: str = "settings"  # the column of the leaderboard file that its block stands behind: by default the last

    def value(self, score: Score) -> float | None:
        """What the item gives to the column; None: it is none of its items, or does not count."""
        asked = self.items is not None and self.items.holds(score.role, score.modality, score.kind)
        return self.gives(score) if asked else None


_BLOCK_1, _BLOCK_2, _BLOCK_3 = "seeds", "version", "inference_overhead"  # the file grew in three steps

COLUMNS: tuple[Column, ...] = (
    Column(
        name="forget_image",
        label="forget, with photo",
        heading="forget\nimage",
        direction=Direction.DOWN,
        items=ColumnItems((Role.FORGET,), Modality.IMAGE_TEXT, Kind.OPEN),
        pool="forget",
        part="forget",
        gate=Gated.MEMORY,
        table=Shown.SCORES,
        exported=True,
        csv_after=_BLOCK_1,
    ),
    Column(
        name="forget_text",
        label="forget, by name",
        heading="forget\ntext",
        direction=Direction.DOWN,
        items=ColumnItems((Role.FORGET,), Modality.TEXT, Kind.OPEN),
        pool="forget",
        part="forget",
        gate=Gated.MEMORY,
        table=Shown.SCORES,
        exported=True,
        csv_after=_BLOCK_1,
    ),
    Column(
        name="retain_image",
        label="retain, with photo",
        heading="retain\nimage",
        direction=Direction.UP,
        items=ColumnItems((Role.RETAIN,), Modality.IMAGE_TEXT, Kind.OPEN),
        pool="retain",
        part="retain",
        gate=Gated.RETAINED,
        frontier="memory of others",
        table=Shown.SCORES,
        exported=True,
        csv_after=_BLOCK_1,
    ),
    Column(
        name="retain_text",
        label="retain, by name",
        heading="retain\ntext",
        direction=Direction.UP,
        items=ColumnItems((Role.RETAIN,), Modality.TEXT, Kind.OPEN),
        pool="retain",
        part="retain",
        gate=Gated.RETAINED,
        frontier="memory of others",
        table=Shown.SCORES,
        exported=True,
        csv_after=_BLOCK_1,
    ),
    Column(
        name="understanding_forget",
        label="understanding, forgotten photos",
        heading="underst.\nforget",
        direction=Direction.UP,
        items=ColumnItems((Role.UNDERSTANDING_FORGET,)),
        pool="forget",
        part="understanding",
        gate=Gated.ABILITY,
        frontier="seeing forgotten images",
        table=Shown.SCORES,
        exported=True,
        csv_after=_BLOCK_1,
    ),
    Column(
        name="understanding_retain",
        label="understanding, other photos",
        heading="underst.\nretain",
        direction=Direction.UP,
        items=ColumnItems((Role.UNDERSTANDING_RETAIN,)),
        pool="retain",
        part="understanding",
        gate=Gated.ABILITY,
        frontier="seeing other images",
        table=Shown.SCORES,
        exported=True,
        csv_after=_BLOCK_1,
    ),
    Column(
        name="general_vqa",
        label="general questions",
        heading="general\nVQA",
        direction=Direction.UP,
        items=ColumnItems((Role.GENERAL,)),
        pool="general",
        part="general",
        gate=Gated.ABILITY,
        frontier="general VQA",
        table=Shown.SCORES,
        exported=True,
        csv_after=_BLOCK_1,
    ),
    Column(
        name="language",
        label="general language",
        heading="lang-\nuage",
        direction=Direction.UP,
        items=ColumnItems((Role.LANGUAGE,), but=Kind.PASSAGE),
        pool="language",
        part="language",
        gate=Gated.ABILITY,
        frontier="general language",
        table=Shown.SCORES,
        missing="n/a",
        exported=True,
        csv_after=_BLOCK_3,
    ),
    Column(
        name="passages",
        label="passages of books, probability per token",
        heading="pas-\nsages",
        direction=Direction.UP,
        items=ColumnItems((Role.LANGUAGE,), kind=Kind.PASSAGE),
        pool="passages",
        csv_after=_BLOCK_3,
    ),
    Column(
        name="language_loss",
        label="passages of books, nats per token",
        heading="language\nloss",
        direction=Direction.DOWN,
        items=ColumnItems((Role.LANGUAGE,), kind=Kind.PASSAGE),
        gives=loss,
        by_identity=False,
        most=None,
        csv_after=_BLOCK_3,
    ),
    Column(
        name="meaningful",
        label="answers that are language",
        heading="mean-\ningful",
        direction=Direction.UP,
        items=ColumnItems(),
        gives=meaningful,
        by_identity=False,
        table=Shown.SCORES,
        csv_after=_BLOCK_1,
    ),
    Column(
        name="overall",
        label="overall",
        heading="overall",
        direction=Direction.UP,
        table=Shown.SCORES,
        exported=True,
        least=None,
        most=None,
        csv_after=_BLOCK_1,
    ),
    Column(
        name="refusal_forget",
        label="refused on forget",
        heading="refused\non forget",
        direction=Direction.NONE,
        items=ColumnItems((Role.FORGET,)),
        gives=refused,
        by_identity=False,
        table=Shown.ANSWERS,
        csv_after=_BLOCK_1,
    ),
    Column(
        name="refusal_retain",
        label="over-refused",
        heading="over-\nrefused",
        direction=Direction.DOWN,
        items=ColumnItems(KEPT),
        gives=refused,
        by_identity=False,
        table=Shown.ANSWERS,
        csv_after=_BLOCK_1,
    ),
    Column(
        name="broken",
        label="broken",
        heading="broken",
        direction=Direction.DOWN,
        items=ColumnItems(),
        gives=broken,
        by_identity=False,
        table=Shown.ANSWERS,
        csv_after=_BLOCK_1,
    ),
    Column(
        name="overall_memory",
        label="overall memory (paper)",
        heading="overall\nmemory",
        direction=Direction.UP,
        least=None,
        most=None,
        csv_after=_BLOCK_2,
    ),
    Column(
        name="overall_understanding",
        label="overall understanding (paper)",
        heading="overall\nunderst.",
        direction=Direction.UP,
        least=None,
        most=None,
        csv_after=_BLOCK_2,
    ),
)

BY_NAME: Mapping[str, Column] = MappingProxyType({column.name: column for column in COLUMNS})
MEANS = tuple(column for column in COLUMNS if column.items is not None)  # each a function of one model's scores
SCALARS = tuple(column for column in COLUMNS if column.items is None)  # made of other columns
MEMORY = tuple(column.name for column in COLUMNS if column.gate is Gated.MEMORY)
DRAWN = tuple(column for column in MEANS if column.pool)
FORGET = "forget"  # the part of `overall` that is held against gold


Counted = Mapping[str, tuple[Sequence[Score], Sequence[float]]]
"""Column -> the items that count in it, and what each gives."""


def counted(scores: Iterable[Score]) -> Counted:
    """What every column is the mean of, in one pass; columns without an item are left out."""
    found: dict[str, tuple[list[Score], list[float]]] = {column.name: ([], []) for column in MEANS}
    cell: tuple[Role, Modality, Kind] | None = None
    asking: list[tuple[Gives, list[Score], list[float]]] = []
    for score in scores:
        if cell is None or score.role is not cell[0] or score.modality is not cell[1] or score.kind is not cell[2]:
            cell = score.role, score.modality, score.kind  # items of one cell mostly stand together
            asking = [(column.gives, *found[column.name]) for column in _asking(*cell)]
        for gives, items, values in asking:
            if (value := gives(score)) is not None:
                items.append(score)
                values.append(value)
    return {name: columns for name, columns in found.items() if columns[0]}


@cache
def _asking(role: Role, modality: Modality, kind: Kind) -> tuple[Column, ...]:
    return tuple(column for column in MEANS if column.items is not None and column.items.holds(role, modality, kind))


def parts() -> dict[str, tuple[str, ...]]:
    """The parts of `overall`: name -> its columns, in the registry's order; `FORGET` among them."""
    return grouped((column.part, column.name) for column in COLUMNS)


def panels() -> dict[str, tuple[str, ...]]:
    """The panels of the frontier: title -> the columns whose mean is what was kept."""
    return grouped((column.frontier, column.name) for column in COLUMNS)


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Group -> its names, both in the order of the pairs; pairs without a group are left out."""
    found: dict[str, tuple[str, ...]] = {}
    for group, name in pairs:
        if group:
            found[group] = (*found.get(group, ()), name)
    return found


def identity(score: Score) -> str:
    """Whom an item is about; an item about nobody stands for itself."""
    return score.entity_id or f"item {score.item_id}"


def by_identity(scores: Iterable[Score]) -> dict[str, list[float]]:
    """Identity -> its headlines, items in the order of their ids: what `statistics.paired_difference` compares."""
    found: dict[str, list[float]] = {}
    for score in sorted(scores, key=lambda score: score.item_id):
        found.setdefault(identity(score), []).append(score.headline)
    return found
