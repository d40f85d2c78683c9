"""SEED-Bench: choices about pictures (types 1 to 9) and frames of videos.

Layout: one table, split `test`; `image` is a list, with several frames for a video.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from smllmun_bench.data.general.vqa_source import GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRefs, Upstream, Words, read
from smllmun_bench.schema import Item, Kind

HUB = Hub("lmms-lab/SEED-Bench", aliases=("lmms-lab-encoder/SEED-Bench",))
NAME = "seed_bench"
TABLES = ("data/test*", "test*", "data", "*.parquet", "*.json*")


class Row(Upstream):
    question_id: Annotated[str, Field(min_length=1)]
    question: str
    choice_a: str
    choice_b: str
    choice_c: str
    choice_d: str
    answer: Literal["A", "B", "C", "D"]
    data_type: Literal["image", "video"]
    question_type_id: int
    image: ImageRefs
    data_id: Words = ""


def seed_bench(
    path: Path | None = None, revision: str = "main", videos: bool = False, sample: int | None = None, seed: int = 0
) -> GeneralSource:
    """SEED-Bench's questions about pictures; with `videos`, those about frames as well. Strata are the types."""
    folder = locate(path, HUB, revision=revision)

    def questions() -> Iterator[Item]:
        for _, row in read(folder, Row, *TABLES):
            if row.data_type == "video" and not videos:
                continue
            choices = (row.choice_a, row.choice_b, row.choice_c, row.choice_d)
            yield general_item(
                NAME,
                row.question_id,
                Kind.CHOICE,
                row.question,
                choices["ABCD".index(row.answer)],
                row.image,
                entity=row.data_id,
                group=f"{row.data_type}/{row.question_type_id}",
                choices=choices,
            )

    return GeneralSource(NAME, questions, StoredImages(folder), find(folder, *TABLES), sample, seed)
