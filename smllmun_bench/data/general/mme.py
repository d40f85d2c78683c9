"""MME: two yes-or-no questions about each picture, in fourteen categories.

Layout: `data/test-*.parquet`, or any table with the columns `question_id` (the picture), `image`, `question`, `answer`
and `category`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from smllmun_bench.data.general.vqa_source import SHORT, GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRef, Upstream, read
from smllmun_bench.schema import Item, Kind

HUB = Hub("lmms-lab/MME", aliases=("lmms-lab-encoder/MME",))
NAME = "mme"
TABLES = ("data/test*", "test*", "data", "*.parquet", "*.json*")
_TRAILER = "Please answer yes or no."


class Row(Upstream):
    question_id: str
    image: ImageRef
    question: str
    answer: Literal["Yes", "No", "yes", "no"]
    category: str


def mme(path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0) -> GeneralSource:
    """MME, asked for a single word. Both questions of a picture are drawn together."""
    folder = locate(path, HUB, revision=revision)

    def questions() -> Iterator[Item]:
        for number, (_, row) in enumerate(read(folder, Row, *TABLES)):
            asked = f"{row.question.replace(_TRAILER, '').strip()}\n{SHORT}"
            yield general_item(
                NAME,
                str(number),
                Kind.YESNO,
                asked,
                row.answer.lower(),
                (row.image,),
                entity=row.question_id,
                group=row.category,
                pair_id=f"{row.category}/{row.question_id}",
            )

    return GeneralSource(NAME, questions, StoredImages(folder), find(folder, *TABLES), sample, seed)
