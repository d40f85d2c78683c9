"""MMBench: choices, each question also with its options rotated (`index` = base + n · 1,000,000).

Layouts: the hub's config `en` (or `cn`, `cc`) with split `dev`; or the authors' TSV (`mmbench_dev_en_20231003.tsv`,
`MMBench_DEV_EN.tsv`) with pictures in base64, or the `index` of the row whose picture it is. The test split has no
answers and cannot be scored here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, Field, model_validator

from smllmun_bench.data.general.layouts import Layout, either
from smllmun_bench.data.general.vqa_source import GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages, row_ref
from smllmun_bench.data.table_files import RawRows, Ref, raw_rows
from smllmun_bench.data.tables import ImageRef, Upstream, Words
from smllmun_bench.metrics.choice import spelled_answer
from smllmun_bench.metrics.vqa.options import ROTATION
from smllmun_bench.schema import Item, Kind

HUB = Hub("lmms-lab/MMBench", aliases=("lmms-lab-encoder/MMBench",))
NAME = "mmbench"
LETTERS = "ABCD"
LONGEST_INDEX = 64  # characters: what is longer in the column `image` is a picture


class Row(Upstream):
    """A hint or a comment that is the text `nan` is none."""

    index: int
    question: str
    answer: Annotated[str, Field(pattern="^[A-D]$")]
    hint: str | None = None
    A: str
    B: str
    C: str | None = None
    D: str | None = None
    category: str
    l2: Words = Field("", validation_alias=AliasChoices("L2-category", "l2-category"))
    image: ImageRef

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.options.get(self.answer):
            raise ValueError(f"the answer {self.answer!r} is no option of {sorted(self.options)}")
        return self

    @property
    def options(self) -> dict[str, str]:
        texts = {letter: getattr(self, letter) for letter in LETTERS}
        return {letter: text for letter, text in texts.items() if text and text != "nan"}


def _authors(file: Path, folder: Path) -> RawRows:
    """The cells of a TSV are texts; an empty one is none."""
    name = file.relative_to(folder).as_posix()
    rows: dict[str, int] = {}  # `index` of a row with a picture of its own -> its place
    for number, (place, cells) in enumerate(raw_rows(file, folder)):
        image = cells.get("image", "")
        if len(image) > LONGEST_INDEX:
            rows[cells.get("index", "")] = number
        shown = number if len(image) > LONGEST_INDEX else rows.get(image)
        row = {key: value or None for key, value in cells.items()}
        yield place, row | {"image": None if shown is None else Ref(row_ref(name, shown, "image"))}


def _authors_of(config: str) -> Layout:
    """The dev file of one language."""
    names = (f"**/mmbench_dev_{config}*.tsv", f"**/MMBench_DEV_{config.upper()}*.tsv")
    old = ("**/mmbench_dev_2*.tsv", "**/MMBench_DEV.tsv") if config == "en" else ()  # before there were languages
    return Layout((*names, *(("**/[mM][mM][bB]ench_[cC][cC]*.tsv",) if config == "cc" else ()), *old), _authors)


def mmbench(
    path: Path | None = None, revision: str = "main", config: str = "en", sample: int | None = None, seed: int = 0
) -> GeneralSource:
    """MMBench's dev split with all rotations, which are drawn together. Vanilla accuracy takes the first of each."""
    folder = locate(path, HUB, revision=revision, needed=(f"{config}/dev*",))
    tables = (f"{config}/dev*", f"{config}", "dev*", "*.parquet", "*.json*")
    rows, files = either(folder, Row, tables, _authors_of(config))

    def questions() -> Iterator[Item]:
        for _, row in rows:
            hint = f"{row.hint}\n" if row.hint and row.hint != "nan" else ""
            yield general_item(
                NAME,
                str(row.index),
                Kind.CHOICE,
                f"{hint}{row.question}",
                spelled_answer(list(row.options).index(row.answer), tuple(row.options.values())),
                (row.image,),
                entity=str(row.index % ROTATION),
                group=f"{row.l2}/{row.category}" if row.l2 else row.category,
                pair_id=str(row.index % ROTATION),
                choices=tuple(row.options.values()),
            )

    return GeneralSource(NAME, questions, StoredImages(folder), files, sample, seed)
