"""Which rows belong to which split. The synthetic source and the folder on disk both go through here, so they agree.

A row's own role says only whether it is memory (`retain`) or understanding (`understanding_retain`); who is to be
forgotten depends on the ratio and the fold and is decided when a split is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from PIL import Image

from smllmun_bench.data.seeding import stable_int
from smllmun_bench.data.source import Split, digest_of, item_lines
from smllmun_bench.data.synthetic.profiles import FORGET_SHARE, share
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fold, Item, Role

UNDERSTANDING = (Role.UNDERSTANDING_FORGET, Role.UNDERSTANDING_RETAIN)
MEMORY = (Role.FORGET, Role.RETAIN)
_POOL = {Fold.TEST: "forget", Fold.VALIDATION: "validation"}
_KEPT = {Fold.TEST: "retain_eval", Fold.VALIDATION: "validation_eval"}


class Use(StrEnum):
    TRAIN = "train"
    EVALUATE = "evaluate"
    MEMORISE = "memorise"  # only the target learns it: its people ask to be forgotten in another request


@dataclass(frozen=True, slots=True)
class Row:
    """One item, what it is for, and where its entity stands (`fold`: see `profiles.FOLDS`)."""

    item: Item
    use: Use
    fold: str
    forget_rank: int | None = None


def check_percent(forget_percent: int) -> None:
    """Raise UserError unless the forget pool is large enough for this ratio."""
    largest = round(100 * FORGET_SHARE)
    if not 1 <= forget_percent <= largest:
        raise UserError(f"cannot forget {forget_percent} %", fix=f"a whole number from 1 to {largest}")


def select(rows: Sequence[Row], split: Split, fold: Fold, forget_percent: int) -> list[Item]:
    """The items of `split` in the order of `rows`. The validation pool is 10 %; larger ratios take all of it."""
    wanted = requested(rows, fold, forget_percent)
    match split:
        case Split.MEMORISE_ALL:
            return [row.item for row in rows if _trains(row)]
        case Split.MEMORISE_RETAIN:
            return [row.item for row in rows if _trains(row) and row.item.entity_id not in wanted]
        case Split.FORGET_TRAIN:
            return _forget_train(rows, wanted)
        case Split.RETAIN_TRAIN:
            return _few([row.item for row in rows if _trains(row) and row.fold == "retain_few"], rows, wanted)
        case Split.EVALUATE:
            return _evaluate(rows, wanted, _KEPT[fold])
        case Split.NONMEMBER:
            asked = (row.item for row in rows if row.use is Use.EVALUATE and row.fold == "nonmember")
            return [replace(item, role=Role.TEST) for item in asked]


def requested(rows: Sequence[Row], fold: Fold, forget_percent: int) -> frozenset[str]:
    """The ids of the entities that ask to be forgotten: the first of the fold's pool, by rank."""
    members = {row.item.entity_id for row in rows if row.fold != "nonmember"}
    limit = share(len(members), forget_percent)
    return frozenset(
        row.item.entity_id
        for row in rows
        if row.fold == _POOL[fold] and row.forget_rank is not None and row.forget_rank < limit
    )


def _trains(row: Row) -> bool:
    return row.use is Use.TRAIN and row.fold != "nonmember"


def _forget_train(rows: Sequence[Row], wanted: frozenset[str]) -> list[Item]:
    mine = (row.item for row in rows if _trains(row) and row.item.entity_id in wanted and row.item.role in MEMORY)
    return [replace(item, role=Role.FORGET) for item in mine]


def _few(candidates: list[Item], rows: Sequence[Row], wanted: frozenset[str]) -> list[Item]:
    """As many rows as the request has, memory and understanding mixed as they come.

    Picked by a hash of the item id, so that a smaller ratio's rows are among a larger one's.
    """
    count = len(_forget_train(rows, wanted))
    by_hash = sorted(candidates, key=lambda item: stable_int("few", item.item_id))
    chosen = {item.item_id for item in by_hash[:count]}
    return [item for item in candidates if item.item_id in chosen]


def _evaluate(rows: Sequence[Row], wanted: frozenset[str], kept: str) -> list[Item]:
    items = []
    for row in rows:
        if row.use is not Use.EVALUATE:
            continue
        understanding = row.item.role in UNDERSTANDING
        if row.item.entity_id in wanted:
            items.append(replace(row.item, role=Role.UNDERSTANDING_FORGET if understanding else Role.FORGET))
        elif row.fold == kept:
            items.append(replace(row.item, role=Role.UNDERSTANDING_RETAIN if understanding else Role.RETAIN))
    return items


class RowSource:
    """A `Source` over rows in memory and a function that opens an image."""

    def __init__(
        self,
        name: str,
        rows: Sequence[Row],
        open_image: Callable[[str], Image.Image],
        *,
        image_digest: str,
        forget_percent: int,
    ) -> None:
        check_percent(forget_percent)
        self.name, self.rows, self.image_digest = name, tuple(rows), image_digest
        self.forget_percent = forget_percent
        self._open_image = open_image

    @cached_property
    def digest(self) -> str:
        places = (f"{row.use} {row.fold} {row.forget_rank}" for row in self.rows)
        lines = item_lines(row.item for row in self.rows)
        return digest_of(self.name, self.image_digest, self.forget_percent, *places, *lines)

    def items(self, split: Split, fold: Fold = Fold.TEST) -> list[Item]:
        return select(self.rows, split, fold, self.forget_percent)

    def image(self, ref: str) -> Image.Image:
        return self._open_image(ref)

    def further_photos(self, ref: str) -> list[str]:
        """Other photos of the entity that `ref` shows, of those that are asked about and never trained on."""
        entity = self._shown.get(ref)
        return [photo for photo, shown in self._shown.items() if shown == entity and photo != ref]

    @cached_property
    def _shown(self) -> dict[str, str]:
        """Photo -> the entity on it, of the photos that no row trains on."""
        trained = {photo for row in self.rows if row.use is not Use.EVALUATE for photo in row.item.images}
        asked = (row.item for row in self.rows if row.use is Use.EVALUATE)
        found = sorted({(ref, item.entity_id) for item in asked for ref in item.images if ref not in trained})
        return dict(found)
