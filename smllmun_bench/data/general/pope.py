"""POPE: is an object in the picture? Random, popular and adversarial questions, half of them true.

Layout: config `Full` with splits `adversarial`, `popular`, `random`, or `default/test`; `category` names the split.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from smllmun_bench.data.general.vqa_source import SHORT, GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRef, Upstream, Words, read
from smllmun_bench.schema import Item, Kind

HUB = Hub("lmms-lab/POPE", patterns=("Full/*",), aliases=("lmms-lab-encoder/POPE",))
NAME = "pope"
TABLES = ("Full", "data", "default", "*.parquet", "*.json*")


class Row(Upstream):
    """`id` counts within a split only; `image_source` names the picture."""

    id: str
    question: str
    answer: Literal["yes", "no"]
    image: ImageRef
    category: str
    image_source: Words = ""


def pope(path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0) -> GeneralSource:
    """POPE, asked for a single word; strata of a sample are the three splits."""
    folder = locate(path, HUB, revision=revision)

    def questions() -> Iterator[Item]:
        for _, row in read(folder, Row, *TABLES):
            yield general_item(
                NAME,
                f"{row.category}.{row.id}",
                Kind.YESNO,
                f"{row.question}\n{SHORT}",
                row.answer,
                (row.image,),
                entity=row.image_source,
                group=row.category,
            )

    return GeneralSource(NAME, questions, StoredImages(folder), find(folder, *TABLES), sample, seed)
