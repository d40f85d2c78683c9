"""MLLMU-Bench (arXiv 2410.22108): invented people and celebrities; choice, cloze and open questions, half in text.

Layout: configs `forget_5|10|15`, `retain_95|90|85`, `Test_Set` (the same people, other photos and words), `Retain_Set`
(celebrities), `ft_Data` (what the vanilla model was trained on). Any Parquet, JSON or JSONL below these names is read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.published import Entry, PublishedSource, make_item
from smllmun_bench.data.rows import Use
from smllmun_bench.data.seeding import stable_int
from smllmun_bench.data.table_files import Place, find
from smllmun_bench.data.tables import ImageRef, ImageRefs, JsonText, Upstream, read
from smllmun_bench.metrics.choice import spelled_answer
from smllmun_bench.schema import Item, Kind, Role

HUB = Hub("MLLMMU/MLLMU-Bench")
NAME = "mllmu-bench"
_IMAGE_TEXT, _PURE_TEXT = "Image_Textual", "Pure_Text"
_BLANK = "__"


class Choice(Upstream):
    Question: str
    Options: dict[str, str | None]
    Correct_Answer: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.Options.get(self.Correct_Answer):
            raise ValueError(f"'Correct_Answer' {self.Correct_Answer!r} is no option of {sorted(self.Options)}")
        return self

    @property
    def choices(self) -> tuple[str, ...]:
        """The options in the order of their letters; a null is none."""
        return tuple(self._given.values())

    @property
    def answer(self) -> str:
        return spelled_answer(list(self._given).index(self.Correct_Answer), self.choices)

    @property
    def _given(self) -> dict[str, str]:
        return {letter: text for letter, text in sorted(self.Options.items()) if text}


class Classification(Upstream):
    Image_Textual_Questions: tuple[Choice, ...] = ()
    Pure_Text_Questions: tuple[Choice, ...] = ()


class Written(Upstream):
    """A cloze or an open question; `Type` says whether the photo comes with it."""

    Question: str
    Ground_Truth: str
    Type: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.Type not in (_IMAGE_TEXT, _PURE_TEXT):
            raise ValueError(f"'Type' is {self.Type!r}, expected {_IMAGE_TEXT!r} or {_PURE_TEXT!r}")
        return self


class Pair(Upstream):
    Question: str
    Answer: str


class Profile(Upstream):
    """A row of a profile set; `Test_Set` has `images` where the others have `image`."""

    ID: Annotated[str, Field(min_length=1)]
    image: ImageRef | None = None
    images: ImageRefs = ()
    question: str | None = None
    answer: str | None = None
    metadata: Annotated[tuple[Pair, ...] | None, JsonText] = None
    Classification_Task: Classification = Classification()
    Mask_Task: tuple[Written, ...] = ()
    Generation_Task: tuple[Written, ...] = ()

    @model_validator(mode="after")
    def _has_photo(self) -> Self:
        about = bool(self.Classification_Task.Image_Textual_Questions)
        about |= any(one.Type == _IMAGE_TEXT for one in (*self.Mask_Task, *self.Generation_Task))
        if about and not self.photos:
            raise ValueError("'image' is missing, and there are questions about it")
        return self

    @property
    def photos(self) -> tuple[str, ...]:
        return (self.image,) if self.image else self.images


class Memorised(Upstream):
    """A row of `ft_Data`."""

    ID: Annotated[str, Field(min_length=1)]
    image: ImageRef | None = None
    metadata: Annotated[tuple[Pair, ...], JsonText]


def mllmu_bench(
    path: Path | None = None, forget_percent: int = 10, revision: str = "main", few_shot: int = 0
) -> PublishedSource:
    """MLLMU-Bench at one published ratio. Raises UserError for what does not fit, with file, row and key."""
    forget, retain = f"forget_{forget_percent}", f"retain_{100 - forget_percent}"
    sets = {forget: Role.FORGET, retain: Role.RETAIN, "Test_Set": Role.TEST, "Retain_Set": Role.REAL}
    folder = locate(path, HUB, revision=revision, needed=[f"{name}/*" for name in (*sets, "ft_Data")])

    def stream() -> Iterator[Entry]:
        taught: dict[str, list[Memorised]] = {}
        for _, row in read(folder, Memorised, "ft_Data", "ft_Data.*", optional=True):
            taught.setdefault(row.ID, []).append(row)
        for name, role in sets.items():
            must = role in (Role.FORGET, Role.RETAIN)
            for place, profile in read(folder, Profile, name, f"{name}.*", optional=not must):
                if role in (Role.FORGET, Role.RETAIN):
                    yield from _training(profile, role, taught.get(profile.ID, ()))
                yield from _questions(profile, role, name, place)

    files = [file for name in (*sets, "ft_Data") for file in find(folder, name, f"{name}.*")]
    return PublishedSource(NAME, stream, StoredImages(folder), files, few_shot=few_shot)


def _training(profile: Profile, role: Role, taught: "tuple[()] | list[Memorised]") -> Iterator[Entry]:
    """What the vanilla model learns of a person: `ft_Data`, else the row's metadata, else its one question."""
    photos = profile.photos[:1]
    pairs = [(pair, (row.image,) if row.image else photos) for row in taught for pair in row.metadata]
    pairs = pairs or [(pair, photos) for pair in profile.metadata or ()]
    if not pairs and profile.question and profile.answer:
        pairs = [(Pair(Question=profile.question, Answer=profile.answer), photos)]
    for number, (pair, shown) in enumerate(pairs):
        item = _item(profile, role, f"train.{number}", Kind.OPEN, pair.Question, pair.Answer, shown)
        yield Entry(item, (Use.TRAIN,))


def _questions(profile: Profile, role: Role, config: str, place: Place) -> Iterator[Entry]:
    task = profile.Classification_Task
    for seen, questions in ((True, task.Image_Textual_Questions), (False, task.Pure_Text_Questions)):
        for number, choice in enumerate(questions):
            tail = f"{config}.choice.{'image' if seen else 'text'}.{number}"
            shown = _photo(profile, tail) if seen else ()
            yield Entry(
                _item(profile, role, tail, Kind.CHOICE, choice.Question, choice.answer, shown, choices=choice.choices)
            )
    for kind, written in ((Kind.CLOZE, profile.Mask_Task), (Kind.OPEN, profile.Generation_Task)):
        for number, one in enumerate(written):
            tail = f"{config}.{kind}.{number}"
            shown = _photo(profile, tail) if one.Type == _IMAGE_TEXT else ()
            yield Entry(_item(profile, role, tail, kind, _asked(kind, one.Question), one.Ground_Truth, shown))


def _asked(kind: Kind, question: str) -> str:
    if kind is Kind.CLOZE:
        return f"{question.replace(_BLANK, '[Blank]')}\nGive only what belongs in place of [Blank]."
    return f"{question}\nAnswer in one correct English sentence."


def _photo(profile: Profile, tail: str) -> tuple[str, ...]:
    """One photo of a person, always the same for one question (upstream draws it without a seed)."""
    photos = profile.photos
    return (photos[stable_int("photo", profile.ID, tail) % len(photos)],) if photos else ()


def _item(
    profile: Profile,
    role: Role,
    tail: str,
    kind: Kind,
    question: str,
    answer: str,
    images: tuple[str, ...],
    choices: tuple[str, ...] = (),
) -> Item:
    entity = f"celebrity-{profile.ID}" if role is Role.REAL else profile.ID
    item_id = f"mllmu.{entity}.{tail}"
    return make_item(NAME, item_id, entity, role, kind, question, answer, images=images, choices=choices)
