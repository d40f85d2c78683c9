"""ScienceQA: school questions with and without a picture; `answer` is the place of the right choice.

Layout: `ScienceQA-IMG` or `ScienceQA-FULL` (split `test`), or `data/test-*.parquet`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from smllmun_bench.data.general.vqa_source import GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRef, Texts, Upstream, Words, read
from smllmun_bench.schema import Item, Kind

HUB = Hub("lmms-lab/ScienceQA", aliases=("derek-thomas/ScienceQA", "lmms-lab-encoder/ScienceQA"))
NAME = "scienceqa"


class Row(Upstream):
    question: str
    choices: Texts
    answer: Annotated[int, Field(ge=0)]
    image: ImageRef | None = None
    hint: str | None = None
    subject: Words = ""
    grade: Words = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.answer >= len(self.choices):
            raise ValueError(f"the answer is number {self.answer} of {len(self.choices)} choices")
        return self


def scienceqa(
    path: Path | None = None,
    revision: str = "main",
    config: str = "ScienceQA-IMG",
    sample: int | None = None,
    seed: int = 0,
) -> GeneralSource:
    """ScienceQA's test questions; strata are subject, grade and context (picture, text, nothing)."""
    folder = locate(path, HUB, revision=revision, needed=(f"{config}/test*",))
    tables = (f"{config}/test*", "data/test*", "test*", config, "*.parquet", "*.json*")

    def questions() -> Iterator[Item]:
        for number, (_, row) in enumerate(read(folder, Row, *tables)):
            context = "image" if row.image else "text" if row.hint else "none"
            yield general_item(
                NAME,
                str(number),
                Kind.CHOICE,
                f"{row.hint}\n{row.question}" if row.hint else row.question,
                row.choices[row.answer],
                (row.image,) if row.image else (),
                group=f"{row.subject}/{row.grade}/{context}",
                choices=row.choices,
            )

    return GeneralSource(NAME, questions, StoredImages(folder), find(folder, *tables), sample, seed)
