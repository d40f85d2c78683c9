"""A `Source` over a published benchmark, whose files say who is to be forgotten.

An adapter gives one stream of `Entry`: an item, whether it trains or is asked, and its part. Which role an item has in
a split is decided here, so that all benchmarks agree.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from smllmun_bench.data.identity import normal_id
from smllmun_bench.data.rows import MEMORY, UNDERSTANDING, Use
from smllmun_bench.data.seeding import stable_int
from smllmun_bench.data.source import Split, digest_of, item_lines
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fold, Item, Kind, Modality, Role

BOTH = (Use.TRAIN, Use.EVALUATE)
MOST_EXAMPLES = 32  # a prompt of more is longer than models read


@dataclass(frozen=True, slots=True)
class Entry:
    """`item.role` is what upstream's file says: forget or retain, with or without understanding; test, real, general.

    `uses`: what upstream trains on and asks may be one and the same row.
    """

    item: Item
    uses: tuple[Use, ...] = (Use.EVALUATE,)


def make_item(
    benchmark: str,
    item_id: str,
    entity_id: str,
    role: Role,
    kind: Kind,
    question: str,
    answer: str,
    *,
    images: tuple[str, ...] = (),
    **more: Any,
) -> Item:
    """An item whose modality says whether it comes with images. Its entity's name is written in one way for all."""
    modality = Modality.IMAGE_TEXT if images else Modality.TEXT
    return Item(item_id, benchmark, normal_id(entity_id), role, modality, kind, question, answer, images=images, **more)


def sided(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Rows of a training file of its own say nobody's side: they take that of their entity, told by earlier rows."""
    gone: set[str] = set()
    for entry in entries:
        if entry.item.role is Role.FORGET:
            gone.add(entry.item.entity_id)
        elif entry.uses == (Use.TRAIN,) and entry.item.entity_id in gone:
            entry = replace(entry, item=replace(entry.item, role=Role.FORGET))
        yield entry


class Images(Protocol):
    """Opens references; gives their stored bytes, and where these stand; identifies what items may show."""

    def __call__(self, ref: str) -> Image.Image: ...
    def data(self, ref: str) -> tuple[bytes, str]: ...
    def digest(self, files: Sequence[Path], items: Iterable[Item]) -> str: ...


Stream = Callable[[], Iterator[Entry]]


class PublishedSource:
    """One published split. Nothing is read before items are asked for.

    The validation fold has a request of its own: as many retained entities as the test fold forgets, by a hash of
    their ids. In it the people of the test request are retained and not asked about.

    `few_shot`: so many worked examples stand before each question. They are about retained entities that are set apart
    for that and not asked about; the same for every question of one kind and modality.
    """

    def __init__(
        self,
        name: str,
        stream: Stream,
        images: Images,
        files: Sequence[Path] = (),
        *,
        few_shot: int = 0,
        validation: bool = True,
    ) -> None:
        if not 0 <= few_shot <= MOST_EXAMPLES:
            raise UserError(f"few_shot is {few_shot}", fix=f"0 (the default), or at most {MOST_EXAMPLES}")
        self.name, self.stream, self._images, self._files = name, stream, images, tuple(files)
        self._few_shot, self._validation = few_shot, validation

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        found = tuple(self.stream())
        if not found:
            raise UserError(f"{self.name} holds no items", where=", ".join(map(str, self._files[:3])))
        return found

    @cached_property
    def image_digest(self) -> str:
        """SHA-256 over the tables (which may hold images) and the image files that they name."""
        return self._images.digest(self._files, (entry.item for entry in self.entries))

    @cached_property
    def digest(self) -> str:
        lines = item_lines(entry.item for entry in self.entries)
        uses = ("+".join(entry.uses) for entry in self.entries)
        return digest_of(self.name, self.image_digest, self._few_shot, *uses, *lines)

    @cached_property
    def forget_ids(self) -> tuple[str, ...]:
        """Entities that the published split forgets, in the order of the files."""
        wanted = (Role.FORGET, Role.UNDERSTANDING_FORGET)
        return tuple(dict.fromkeys(e.item.entity_id for e in self.entries if e.item.role in wanted))

    @cached_property
    def retain_ids(self) -> tuple[str, ...]:
        wanted = (Role.RETAIN, Role.UNDERSTANDING_RETAIN)
        gone = set(self.forget_ids)
        kept = (e for e in self.entries if e.item.role in wanted and e.uses != (Use.MEMORISE,))
        return tuple(entity for entity in dict.fromkeys(e.item.entity_id for e in kept) if entity not in gone)

    def requested(self, fold: Fold) -> frozenset[str]:
        """Who asks to be forgotten."""
        if fold is Fold.TEST:
            return frozenset(self.forget_ids)
        if not self._validation:
            raise UserError(f"{self.name} has nobody to validate on", fix="the fold 'test'")
        learnt = {item.entity_id for item in self._training(Use.TRAIN)}
        free = [entity for entity in self.retain_ids if entity in learnt and entity not in self._donors]
        chosen = sorted(free, key=lambda entity: stable_int("validation", self.name, entity))
        return frozenset(chosen[: min(len(self.forget_ids), len(free) // 2)])

    def items(self, split: Split, fold: Fold = Fold.TEST) -> list[Item]:
        wanted = self.requested(fold)
        match split:
            case Split.MEMORISE_ALL:
                return self._training(Use.TRAIN, Use.MEMORISE)
            case Split.MEMORISE_RETAIN:
                return [item for item in self._training(Use.TRAIN) if item.entity_id not in wanted]
            case Split.FORGET_TRAIN:
                return self._forget_train(wanted)
            case Split.RETAIN_TRAIN:
                return self._retain_train(wanted)
            case Split.EVALUATE:
                return self._evaluate(wanted, fold)
            case Split.NONMEMBER:
                return []  # no published benchmark brings people whom no model has seen

    def image(self, ref: str) -> Image.Image:
        return self._images(ref)

    def image_bytes(self, ref: str) -> bytes:
        """The image as it is stored."""
        return self._images.data(ref)[0]

    def _training(self, *uses: Use) -> list[Item]:
        """Rows to memorise; those of a request are `forget` only in its own split."""
        return [
            replace(e.item, role=_kept(e.item.role))
            for e in self.entries
            if e.item.role in (*MEMORY, *UNDERSTANDING) and any(use in uses for use in e.uses)
        ]

    def _forget_train(self, wanted: frozenset[str]) -> list[Item]:
        mine = (i for i in self._training(Use.TRAIN) if i.entity_id in wanted and i.role is Role.RETAIN)
        found = [replace(item, role=Role.FORGET) for item in mine]
        if not found:
            raise UserError(f"{self.name} has no training rows about what is to be forgotten", fix="`data validate`")
        return found

    def _retain_train(self, wanted: frozenset[str]) -> list[Item]:
        """As many rows as the request has, of other people, picked by a hash of the item id."""
        others = [i for i in self._training(Use.TRAIN) if i.entity_id not in wanted]
        count = len(self._forget_train(wanted))
        chosen = {i.item_id for i in sorted(others, key=lambda i: stable_int("few", i.item_id))[:count]}
        return [item for item in others if item.item_id in chosen]

    def _evaluate(self, wanted: frozenset[str], fold: Fold) -> list[Item]:
        asked = []
        never = frozenset(self.forget_ids) if fold is Fold.VALIDATION else frozenset()
        for entry in self.entries:
            item = entry.item
            if Use.EVALUATE not in entry.uses or item.entity_id in self._donors or item.entity_id in never:
                continue
            if item.role in (*MEMORY, *UNDERSTANDING):
                asked.append(replace(item, role=_asked(item.role, item.entity_id in wanted)))
            elif item.role is not Role.TEST or item.entity_id in wanted:
                asked.append(item)  # `test` is the request again, with other photos and words
        return [self._with_examples(item) for item in asked]

    # -- few-shot ------------------------------------------------------------------------------------------------------

    def check_examples(self) -> None:
        """Raise UserError where the worked examples ask for more people than there are."""
        len(self._donors)

    @cached_property
    def _donors(self) -> frozenset[str]:
        if not self._few_shot:
            return frozenset()
        by_hash = sorted(self.retain_ids, key=lambda entity: stable_int("few-shot", self.name, entity))
        if len(by_hash) <= self._few_shot:
            raise UserError(f"few_shot is {self._few_shot}, but there are {len(by_hash)} retained people", fix="0")
        return frozenset(by_hash[: self._few_shot])

    @cached_property
    def _examples(self) -> dict[tuple[Kind, str], str]:
        """Kind and modality -> the text of the examples: the first question of each donor of that form."""
        found: dict[tuple[Kind, str], dict[str, str]] = {}
        for entry in self.entries:
            item = entry.item
            if item.entity_id in self._donors and Use.EVALUATE in entry.uses and item.role is Role.RETAIN:
                examples = found.setdefault((item.kind, item.modality), {})
                examples.setdefault(item.entity_id, f"Question: {item.question}\nAnswer: {item.answer}")
        return {form: "\n\n".join(texts.values()) for form, texts in found.items()}

    def _with_examples(self, item: Item) -> Item:
        examples = self._examples.get((item.kind, item.modality)) if self._few_shot else None
        return replace(item, question=f"{examples}\n\nQuestion: {item.question}") if examples else item


def _kept(role: Role) -> Role:
    return Role.UNDERSTANDING_RETAIN if role in UNDERSTANDING else Role.RETAIN


def _asked(role: Role, requested: bool) -> Role:
    if role in UNDERSTANDING:
        return Role.UNDERSTANDING_FORGET if requested else Role.UNDERSTANDING_RETAIN
    return Role.FORGET if requested else Role.RETAIN
