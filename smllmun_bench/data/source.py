"""The seam between data and everything else: a `Source` gives the items of a split and opens the images they name."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields
from enum import StrEnum
from typing import Protocol

from PIL import Image

from smllmun_bench.schema import Fold, Item


class Split(StrEnum):
    """What items are for. Training photos and evaluation photos are never the same."""

    MEMORISE_ALL = "memorise_all"  # trains the target: everything about every member
    MEMORISE_RETAIN = "memorise_retain"  # trains gold: the same without those who ask to be forgotten
    FORGET_TRAIN = "forget_train"  # what every method is given to forget: all memory facts of the request
    RETAIN_TRAIN = "retain_train"  # what every method is given to keep: as many rows, of other people
    EVALUATE = "evaluate"  # the published questions, with their roles
    NONMEMBER = "nonmember"  # evaluation questions about people whom no model has seen (role `test`)


class Source(Protocol):
    """One set of data at one forget ratio.

    `digest` identifies all of it (every item, and for stored images their bytes) and the ratio. `image_digest`
    identifies the images alone; see `split_digest` for a key that ratios can share.
    """

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def image_digest(self) -> str: ...

    def items(self, split: Split, fold: Fold = Fold.TEST) -> list[Item]:
        """The items of `split`; `fold` says whose request it is. The order is always the same."""
        ...

    def image(self, ref: str) -> Image.Image:
        """The RGB image that `ref`, an entry of `Item.images`, names. Raises UserError if there is none."""
        ...


_FIELDS = sorted(field.name for field in fields(Item))
_CANONICAL = json.JSONEncoder(ensure_ascii=False)


def split_digest(source: Source, split: Split, fold: Fold = Fold.TEST) -> str:
    """Identity of one split: its items and the images. Equal for two ratios that give the same rows, so that they
    can share a target."""
    return digest_of(source.image_digest, *item_lines(source.items(split, fold)))


def item_lines(items: Iterable[Item]) -> Iterable[str]:
    """One canonical JSON line for each item: keys in the order of the alphabet."""
    return (_CANONICAL.encode({name: getattr(item, name) for name in _FIELDS}) for item in items)


def digest_of(*parts: object) -> str:
    """SHA-256 of the text of `parts`, in hexadecimal."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()
