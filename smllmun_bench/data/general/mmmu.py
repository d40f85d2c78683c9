"""MMMU: college questions with up to seven pictures, choices and open ones.

Layout: thirty subject configs or one merged set, split `validation`. `options` is text that holds a Python list;
pictures may stand in the options too. The test split has no answers.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from smllmun_bench.data.general.vqa_source import GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRef, PythonLiteral, Texts, Upstream, Words, read
from smllmun_bench.metrics.choice import spelled_answer
from smllmun_bench.schema import Item, Kind

HUB = Hub("lmms-lab/MMMU", patterns=("data/validation*",), aliases=("MMMU/MMMU", "lmms-lab-encoder/MMMU"))
NAME = "mmmu"
TABLES = ("**/validation*", "data", "*.parquet", "*.json*")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Row(Upstream):
    """An open question has one answer, or several as a Python list."""

    id: Annotated[str, Field(min_length=1)]
    question: str
    options: Annotated[Texts, PythonLiteral] = ()
    answer: str
    question_type: Literal["multiple-choice", "open"]
    subfield: Words = ""
    image_1: ImageRef | None = None
    image_2: ImageRef | None = None
    image_3: ImageRef | None = None
    image_4: ImageRef | None = None
    image_5: ImageRef | None = None
    image_6: ImageRef | None = None
    image_7: ImageRef | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.question_type == "multiple-choice" and self.answer not in LETTERS[: len(self.options)]:
            raise ValueError(f"the answer {self.answer!r} is no letter of {len(self.options)} options")
        for number in range(1, 8):
            if f"<image {number}>" in " ".join((self.question, *self.options)) and not self._image(number):
                raise ValueError(f"'image_{number}' is missing, and <image {number}> stands in the text")
        return self

    def _image(self, number: int) -> str | None:
        image: str | None = getattr(self, f"image_{number}")
        return image

    @property
    def images(self) -> tuple[str, ...]:
        """The pictures in their numbers' order; the text calls them <image 1> and so on."""
        return tuple(image for number in range(1, 8) if (image := self._image(number)))

    @property
    def answers(self) -> tuple[str, ...]:
        return (
            _Answers.model_validate({"answers": self.answer}).answers if self.answer.startswith("[") else (self.answer,)
        )

    @property
    def subject(self) -> str:
        """`validation_Art_1` is Art."""
        return "_".join(self.id.split("_")[1:-1])


class _Answers(Upstream):
    answers: Annotated[Texts, PythonLiteral]


def mmmu(path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0) -> GeneralSource:
    """MMMU's validation questions; strata of a sample are the subjects."""
    folder = locate(path, HUB, revision=revision)

    def questions() -> Iterator[Item]:
        for _, row in read(folder, Row, *TABLES):
            chosen = row.question_type == "multiple-choice"
            first, *others = row.answers
            yield general_item(
                NAME,
                row.id,
                Kind.CHOICE if chosen else Kind.OPEN,
                row.question,
                spelled_answer(LETTERS.index(row.answer), row.options) if chosen else first,
                row.images,
                group=row.subject or row.subfield,
                choices=row.options if chosen else (),
                accepted=() if chosen else tuple(others),
            )

    return GeneralSource(NAME, questions, StoredImages(folder), find(folder, *TABLES), sample, seed)
