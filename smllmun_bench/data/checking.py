"""Is a data set fit to measure with? One pass over its items, in little memory, and a report in plain words.

Faults make the numbers wrong: repeated ids, missing pictures, people on both sides of the request, no answer to score
against. Warnings are for a person to judge: answers that stand in the question, repeated questions, shared pictures.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from string import ascii_uppercase
from typing import Any

from PIL import Image

from smllmun_bench.data.identity import near_id
from smllmun_bench.data.published import Entry, PublishedSource
from smllmun_bench.data.rows import UNDERSTANDING, RowSource, Use, requested
from smllmun_bench.data.source import Source, Split
from smllmun_bench.errors import UserError
from smllmun_bench.metrics.choice import right_choices
from smllmun_bench.metrics.text import bare, normalise, occurs
from smllmun_bench.schema import Fold, Item, Kind, Role

EXAMPLES = 3
SHORTEST = 3  # characters of an answer that is looked for in its question
FORGOTTEN = (Role.FORGET, Role.UNDERSTANDING_FORGET)
RETAINED = (Role.RETAIN, Role.UNDERSTANDING_RETAIN)
MISSING = ("nan", "NaN", "NAN", "NaT", "<NA>")  # how tables write what is not there


@dataclass
class Finding:
    """One kind of trouble: how often, and a few examples."""

    what: str
    fault: bool
    times: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        self.times += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


@dataclass
class Report:
    """What was found. `rows` counts items by use, role, modality and kind; `entities` the people of each role."""

    name: str
    rows: Counter[tuple[str, str, str, str]]
    entities: dict[str, int]
    images: int
    images_opened: bool
    findings: list[Finding]

    @property
    def items(self) -> int:
        return sum(self.rows.values())

    def ok(self, *, strict: bool = False) -> bool:
        """No fault; with `strict`, no warning either."""
        return not any(finding.fault or strict for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        rows = [
            {"use": use, "role": role, "modality": modality, "kind": kind, "n": n}
            for (use, role, modality, kind), n in sorted(self.rows.items())
        ]
        return {
            "name": self.name,
            "items": self.items,
            "rows": rows,
            "entities": self.entities,
            "images": self.images,
            "images_opened": self.images_opened,
            "ok": self.ok(),
            "findings": [asdict(finding) for finding in self.findings],
        }


def check(source: Source, *, images: bool = True, forgets: bool = True, listed: bool = False) -> Report:
    """Look at every item once; with `images`, open every picture. Raises UserError for rows that cannot be read.

    `forgets`: whether the task has anything to forget. `listed`: whether it lists choices by letters.
    """
    if isinstance(source, PublishedSource):
        source.check_examples()
    look = _Look(source.image if images else None, listed)
    for entry in entries(source):
        look.at(entry)
    return look.report(source.name, forgets)


def entries(source: Source) -> Iterator[Entry]:
    """The items of any source one after the other, with the roles of the test fold."""
    if isinstance(source, RowSource):
        yield from _of_rows(source)
        return
    stream: Callable[[], Iterator[Entry]] | None = getattr(source, "stream", None)
    yield from stream() if stream is not None else (Entry(item) for item in source.items(Split.EVALUATE))


def _of_rows(source: RowSource) -> Iterator[Entry]:
    wanted = requested(source.rows, Fold.TEST, source.forget_percent)
    for row in source.rows:
        seen = row.item.role in UNDERSTANDING
        if row.fold == "nonmember":
            role = Role.TEST
        elif row.item.entity_id in wanted:
            role = Role.UNDERSTANDING_FORGET if seen else Role.FORGET
        else:
            role = Role.UNDERSTANDING_RETAIN if seen else Role.RETAIN
        yield Entry(_with_role(row.item, role), (row.use,))


def _with_role(item: Item, role: Role) -> Item:
    return replace(item, role=role)


class _Look:
    """Keeps 64-bit hashes of what it saw, so that a million items cost some ten megabytes a set."""

    def __init__(self, opened: Callable[[str], Image.Image] | None, listed: bool) -> None:
        self._open, self._listed = opened, listed
        self._rows: Counter[tuple[str, str, str, str]] = Counter()
        self._ids: set[int] = set()
        self._contents: set[int] = set()
        self._asked: dict[int, bool] = {}  # question with its pictures and answer -> was it of the forgotten
        self._people: dict[Role, set[str]] = defaultdict(set)
        self._pictures: dict[int, int] = {}  # reference -> what it shows
        self._pictures_of: dict[bool, set[int]] = {True: set(), False: set()}
        self._shared: set[int] = set()
        self._findings: dict[str, Finding] = {}

    def at(self, entry: Entry) -> None:
        item = entry.item
        self._rows["+".join(entry.uses), item.role.value, item.modality.value, item.kind.value] += 1
        side = None if entry.uses == (Use.MEMORISE,) else _side(item.role)
        if entry.uses != (Use.MEMORISE,):
            self._people[item.role].add(item.entity_id)
        self._repeats(item, entry.uses, tuple(self._picture(ref, item, side) for ref in item.images), side)
        self._answer(item)

    def _note(self, what: str, example: str, *, fault: bool) -> None:
        self._findings.setdefault(what, Finding(what, fault)).add(example)

    def _repeats(self, item: Item, uses: tuple[str, ...], shown: tuple[int, ...], side: bool | None) -> None:
        own = hash(item.item_id)
        if own in self._ids:
            self._note("item id stands twice", item.item_id, fault=True)
        self._ids.add(own)
        content = hash((item.question, shown, item.answer, item.entity_id, uses))
        if content in self._contents and item.role is not Role.TEST:
            self._note("same question, pictures and answer of one entity", item.item_id, fault=False)
        anybody = hash((item.question, shown, item.answer))
        if side is not None:
            if self._asked.get(anybody, side) is not side:
                self._note("question stands on both sides of the request", item.item_id, fault=True)
            self._asked[anybody] = side
        self._contents.add(content)

    def _answer(self, item: Item) -> None:
        for key in ("question", "answer", "entity_id"):
            text = getattr(item, key).strip()
            if not text:
                self._note(f"{key} is empty", item.item_id, fault=True)
            if text in MISSING:
                self._note(f"{key} is the text of a missing value", f"{item.item_id}: {text!r}", fault=True)
        if item.kind is Kind.CHOICE:
            if self._listed and len(item.choices) > len(ascii_uppercase):
                example = f"{item.item_id}: {len(item.choices)} choices"
                self._note("more choices than there are letters to list them by", example, fault=True)
            times = item.choices.count(item.answer)
            if times == 0 and not right_choices(item.answer, item.choices):
                self._note("the answer is none of the choices", item.item_id, fault=True)
            elif times == 0 and len(item.answer.strip()) == 1:
                self._note("the answer is a letter: the choice of that letter counts", item.item_id, fault=False)
            elif times > 1:
                self._note("the answer stands among the choices more than once", item.item_id, fault=False)
        elif item.kind in (Kind.OPEN, Kind.CLOZE):
            answer = bare(item.answer)
            if len(answer) >= SHORTEST and occurs(normalise(item.question), answer):
                self._note("the answer stands in the question", f"{item.item_id}: {item.answer!r}", fault=False)

    def _picture(self, ref: str, item: Item, side: bool | None) -> int:
        """What a picture shows, as a hash of its pixels; of its reference where none is opened, or it is broken."""
        own = hash(ref)
        if own not in self._pictures:
            self._pictures[own] = own if self._open is None else self._pixels(self._open, ref, item)
        content = self._pictures[own]
        if side is None or self._open is None:
            return content
        if content in self._pictures_of[not side] and content not in self._shared:
            self._shared.add(content)
            self._note("picture is shown on both sides of the request", f"{item.item_id}: {ref}", fault=False)
        self._pictures_of[side].add(content)
        return content

    def _pixels(self, opened: Callable[[str], Image.Image], ref: str, item: Item) -> int:
        try:
            image = opened(ref)
        except UserError as error:
            self._note("picture is missing or broken", f"{item.item_id}: {error.what} ({error.where})", fault=True)
            return hash(ref)
        return hash((image.size, hashlib.blake2b(image.tobytes(), digest_size=16).digest()))

    def report(self, name: str, forgets: bool) -> Report:
        gone = {person for role in FORGOTTEN for person in self._people[role]}
        kept = {person for role in RETAINED for person in self._people[role]}
        for person in sorted(gone & kept):
            self._note("entity is forgotten and retained", person, fault=True)
        self._alike(gone, kept)
        if forgets:
            for role, people in ((Role.FORGET, gone), (Role.RETAIN, kept)):
                if not people:
                    self._note(f"nobody has the role {role.value!r}", name, fault=True)
        if not self._rows:
            self._note("there are no items", name, fault=True)
        counts = {role.value: len(self._people[role]) for role in Role if self._people[role]}
        findings = sorted(self._findings.values(), key=lambda finding: (not finding.fault, finding.what))
        return Report(name, self._rows, counts, len(self._pictures), self._open is not None, findings)

    def _alike(self, gone: set[str], kept: set[str]) -> None:
        """Names that differ in case, blanks, leading zeros or `.0` alone: one person twice, by all appearance."""
        names: dict[str, list[str]] = defaultdict(list)
        for person in sorted(gone | kept):
            names[near_id(person)].append(person)
        for alike in names.values():
            if len(alike) > 1:
                split = any(one in gone for one in alike) and any(one in kept for one in alike)
                what = "entities with almost the same name" + (" are forgotten and retained" if split else "")
                self._note(what, " and ".join(map(repr, alike)), fault=split)


def _side(role: Role) -> bool | None:
    """True for the forgotten, False for the retained, None for neither."""
    if role in FORGOTTEN:
        return True
    return False if role in RETAINED else None
