"""UMU-Bench (NeurIPS 2025 D&B): each fact is asked in text and with the photo, under one key.

Layout: `forget_5|10|15`, `retain_95|90|85`, `real_person` (config `Real_Person_Set`). Five columns are text that holds
a Python literal; one key in it is spelt `muitimodal` upstream, and `multimodal` is read as well.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, Field, model_validator

from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.published import Entry, PublishedSource, make_item
from smllmun_bench.data.rows import Use
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRef, PythonLiteral, Upstream, read
from smllmun_bench.metrics.choice import right_choices, spelled_answer
from smllmun_bench.schema import Kind, Role

HUB = Hub("linbojunzi/UMU-bench", aliases=("chengyewang/UMU-bench",))
NAME = "umu-bench"


class Pairs(Upstream):
    """Training questions and answers by key."""

    question: dict[str, str] = Field(default_factory=dict)
    answer: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.question.keys() != self.answer.keys():
            odd = sorted(self.question.keys() ^ self.answer.keys())
            raise ValueError(f"question and answer do not have the same keys: {', '.join(odd)}")
        return self


class RunOptions(Upstream):
    question: str
    answer: str
    options: dict[str, str | None] = Field(default_factory=dict)

    @property
    def choices(self) -> tuple[str, ...]:
        return tuple(self._given.values())

    @property
    def right(self) -> str:
        """The right option (`spelled_answer`): upstream's answer is `B. text`, a letter, or the text alone."""
        letter = self.answer.strip()[:1].upper()
        rest = self.answer.strip()[1:]
        if letter in self._given and (not rest or rest.lstrip(".): ") != rest):
            return spelled_answer(list(self._given).index(letter), self.choices)
        return self.answer.strip()

    @property
    def _given(self) -> dict[str, str]:
        return {letter: text for letter, text in sorted(self.options.items()) if text}


class TwoModes(Upstream):
    unimodal: dict[str, RunOptions] = Field(default_factory=dict)
    multimodal: dict[str, RunOptions] = Field(
        default_factory=dict, validation_alias=AliasChoices("muitimodal", "multimodal")
    )


class Choices(TwoModes):
    @model_validator(mode="after")
    def _check(self) -> Self:
        for mode, asked in (("unimodal", self.unimodal), ("muitimodal", self.multimodal)):
            for key, one in asked.items():
                if not right_choices(one.right, one.choices):
                    raise ValueError(f"{mode}.{key}: the answer {one.answer!r} is none of the options")
        return self


class Profile(Upstream):
    ID: Annotated[str, Field(min_length=1)]
    image: ImageRef
    MM_QA: Annotated[Pairs, PythonLiteral] = Pairs()
    UM_QA: Annotated[Pairs, PythonLiteral] = Pairs()
    Classify: Annotated[Choices, PythonLiteral] = Choices()
    Cloze: Annotated[TwoModes, PythonLiteral] = TwoModes()
    Generation: Annotated[TwoModes, PythonLiteral] = TwoModes()


_ASK = {
    Kind.CHOICE: "{}",
    Kind.CLOZE: "{}\nGive the bare answer, without explanation.",
    Kind.OPEN: "{}\nAnswer in one correct English sentence.",
}


def umu_bench(
    path: Path | None = None, forget_percent: int = 5, revision: str = "main", few_shot: int = 0
) -> PublishedSource:
    """UMU-Bench at one published ratio. Raises UserError for what does not fit, with file, row and key."""
    forget, retain = f"forget_{forget_percent}", f"retain_{100 - forget_percent}"
    sets = ((forget, Role.FORGET), (retain, Role.RETAIN), ("real_person", Role.REAL), ("Real_Person_Set", Role.REAL))
    folder = locate(path, HUB, revision=revision, needed=[f"{name}/*" for name, _ in sets])

    def stream() -> Iterator[Entry]:
        for name, role in sets:
            for _, profile in read(folder, Profile, name, f"{name}.*", optional=role is Role.REAL):
                if role is not Role.REAL:
                    yield from _training(profile, role)
                yield from _questions(profile, role)

    files = [file for name, _ in sets for file in find(folder, name, f"{name}.*")]
    return PublishedSource(NAME, stream, StoredImages(folder), files, few_shot=few_shot)


def _training(profile: Profile, role: Role) -> Iterator[Entry]:
    for mode, pairs in (("image", profile.MM_QA), ("text", profile.UM_QA)):
        for key, question in pairs.question.items():
            item_id = f"umu.{profile.ID}.train.{mode}.{key}"
            images = (profile.image,) if mode == "image" else ()
            answer = pairs.answer[key]
            item = make_item(NAME, item_id, profile.ID, role, Kind.OPEN, question, answer, images=images)
            yield Entry(item, (Use.TRAIN,))


def _questions(profile: Profile, role: Role) -> Iterator[Entry]:
    entity = f"real-{profile.ID}" if role is Role.REAL else profile.ID
    for kind, part in ((Kind.CHOICE, profile.Classify), (Kind.CLOZE, profile.Cloze), (Kind.OPEN, profile.Generation)):
        for mode, asked in (("image", part.multimodal), ("text", part.unimodal)):
            for key, one in asked.items():
                yield Entry(
                    make_item(
                        NAME,
                        f"umu.{entity}.{kind}.{mode}.{key}",
                        entity,
                        role,
                        kind,
                        _ASK[kind].format(one.question),
                        one.right if kind is Kind.CHOICE else one.answer,
                        images=(profile.image,) if mode == "image" else (),
                        choices=one.choices if kind is Kind.CHOICE else (),
                        pair_id=f"umu.{entity}.{kind}.{key}",
                    )
                )
