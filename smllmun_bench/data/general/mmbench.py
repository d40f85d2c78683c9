"""MMBench: choices, each question also with its options rotated (`index` = base + n · 1,000,000).

Layout: config `en` (or `cn`, `cc`) with split `dev`; the test split has no answers and cannot be scored here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from smllmun_bench.data.general.vqa_source import GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRef, Upstream, Words, read
from smllmun_bench.metrics.vqa.options import ROTATION
from smllmun_bench.schema import Item, Kind

HUB = Hub("lmms-lab/MMBench", aliases=("lmms-lab-encoder/MMBench",))
NAME = "mmbench"
LETTERS = "ABCD"


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
    l2: Words = Field("", validation_alias="L2-category")
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


def mmbench(
    path: Path | None = None, revision: str = "main", config: str = "en", sample: int | None = None, seed: int = 0
) -> GeneralSource:
    """MMBench's dev split with all rotations, which are drawn together. Vanilla accuracy takes the first of each."""
    folder = locate(path, HUB, revision=revision, needed=(f"{config}/dev*",))
    tables = (f"{config}/dev*", f"{config}", "dev*", "*.parquet", "*.json*")

    def questions() -> Iterator[Item]:
        for _, row in read(folder, Row, *tables):
            hint = f"{row.hint}\n" if row.hint and row.hint != "nan" else ""
            yield general_item(
                NAME,
                str(row.index),
                Kind.CHOICE,
                f"{hint}{row.question}",
                row.options[row.answer],
                (row.image,),
                entity=str(row.index % ROTATION),
                group=f"{row.l2}/{row.category}" if row.l2 else row.category,
                pair_id=str(row.index % ROTATION),
                choices=tuple(row.options.values()),
            )

    return GeneralSource(NAME, questions, StoredImages(folder), find(folder, *tables), sample, seed)
