"""SEED-Bench: choices about pictures (types 1 to 9) and frames of videos.

Layouts: the hub's table, split `test`, in which `image` is a list, with several frames for a video; or the authors'
`SEED-Bench.json` (`{questions: […], question_type: {…}}`) with pictures named by `data_id` in `SEED-Bench-image/`.
Their videos are not cut into frames here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from smllmun_bench.data.general.layouts import Layout, Pictures, either, with_pictures
from smllmun_bench.data.general.vqa_source import GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import RawRows, listed_records
from smllmun_bench.data.tables import ImageRefs, Upstream, Words
from smllmun_bench.errors import UserError
from smllmun_bench.metrics.choice import spelled_answer
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


def _authors_of(videos: bool) -> Layout:
    def rows(file: Path, folder: Path, pictures: Pictures) -> RawRows:
        for place, record in listed_records(file, folder, "questions"):
            if record.get("data_type") == "video" and videos:
                raise UserError(
                    "videos are not cut into frames here", where=str(file), fix="the hub's table, or no videos"
                )
            if record.get("data_type") != "video":
                yield place, record | {"image": pictures(record["data_id"]) if record.get("data_id") else None}

    return Layout(("**/SEED-Bench.json", "**/SEED-Bench*.json"), with_pictures(("SEED-Bench-image", "images"), rows))


def seed_bench(
    path: Path | None = None, revision: str = "main", videos: bool = False, sample: int | None = None, seed: int = 0
) -> GeneralSource:
    """SEED-Bench's questions about pictures; with `videos`, those about frames as well. Strata are the types."""
    folder = locate(path, HUB, revision=revision)
    rows, files = either(folder, Row, TABLES, _authors_of(videos))

    def questions() -> Iterator[Item]:
        for _, row in rows:
            if row.data_type == "video" and not videos:
                continue
            choices = (row.choice_a, row.choice_b, row.choice_c, row.choice_d)
            yield general_item(
                NAME,
                row.question_id,
                Kind.CHOICE,
                row.question,
                spelled_answer("ABCD".index(row.answer), choices),
                row.image,
                entity=row.data_id,
                group=f"{row.data_type}/{row.question_type_id}",
                choices=choices,
            )

    return GeneralSource(NAME, questions, StoredImages(folder), files, sample, seed)
