"""ScienceQA: school questions with and without a picture; `answer` is the place of the right choice.

Layouts: the hub's `ScienceQA-IMG` or `ScienceQA-FULL` (split `test`), or `data/test-*.parquet`; or the authors'
`problems.json` (an object of records) with pictures in `images/test/ID/` or `test/ID/`, and `pid_splits.json` where it
is there. Of the authors' file the config `ScienceQA-IMG` takes the questions that have a picture.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from smllmun_bench.data.general.layouts import Layout, Pictures, either, with_pictures
from smllmun_bench.data.general.vqa_source import GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import RawRows, find, keyed_records, read_json
from smllmun_bench.data.tables import ImageRef, Texts, Upstream, Words
from smllmun_bench.metrics.choice import spelled_answer
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
    question_id: str | None = None  # of the authors' file

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.answer >= len(self.choices):
            raise ValueError(f"the answer is number {self.answer} of {len(self.choices)} choices")
        return self


def _authors_of(config: str) -> Layout:
    def rows(file: Path, folder: Path, pictures: Pictures) -> RawRows:
        lists = find(folder, "**/pid_splits.json")
        named = read_json(lists[0]) if lists else {}
        tested = set(map(str, named.get("test", ()))) if isinstance(named, dict) else set()
        for place, record in keyed_records(file, folder):
            here = place.row in tested if tested else record.get("split") == "test"
            image = record.get("image")
            if here and (image or config != "ScienceQA-IMG"):
                shown = pictures(f"{place.row}/{image}") if image else None
                yield place, record | {"image": shown, "question_id": place.row}

    places = ("images/test", "test", "images", "data/scienceqa/images/test", "scienceqa/images/test")
    return Layout(("**/problems.json",), with_pictures(places, rows), also=("**/pid_splits.json",))


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
    rows, files = either(folder, Row, tables, _authors_of(config))

    def questions() -> Iterator[Item]:
        for number, (_, row) in enumerate(rows):
            context = "image" if row.image else "text" if row.hint else "none"
            yield general_item(
                NAME,
                row.question_id or str(number),
                Kind.CHOICE,
                f"{row.hint}\n{row.question}" if row.hint else row.question,
                spelled_answer(row.answer, row.choices),
                (row.image,) if row.image else (),
                group=f"{row.subject}/{row.grade}/{context}",
                choices=row.choices,
            )

    return GeneralSource(NAME, questions, StoredImages(folder), files, sample, seed)
