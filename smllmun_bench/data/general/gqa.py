"""GQA: questions about scene graphs. Questions and pictures are two tables, joined by `imageId`.

Layout: `testdev_balanced_instructions` and `testdev_balanced_images`.
"""

from collections.abc import Iterator
from pathlib import Path

from smllmun_bench.data.general.vqa_source import SHORT, GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRef, Upstream, Words, read
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Item, Kind

HUB = Hub("lmms-lab/GQA", patterns=("testdev_balanced_*/*",), aliases=("lmms-lab-encoder/GQA",))
NAME = "gqa"
QUESTIONS, PICTURES = "testdev_balanced_instructions", "testdev_balanced_images"


class Types(Upstream):
    structural: Words = ""


class Row(Upstream):
    id: str
    imageId: str
    question: str
    answer: str
    types: Types = Types()


class Picture(Upstream):
    id: str
    image: ImageRef


def gqa(path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0) -> GeneralSource:
    """GQA's balanced testdev questions; strata of a sample are the structural types."""
    folder = locate(path, HUB, revision=revision)
    tables = (QUESTIONS, f"{QUESTIONS}.*"), (PICTURES, f"{PICTURES}.*")

    def questions() -> Iterator[Item]:
        pictures = {row.id: row.image for _, row in read(folder, Picture, *tables[1])}
        for place, row in read(folder, Row, *tables[0]):
            if row.imageId not in pictures:
                raise UserError(
                    f"there is no picture {row.imageId!r} in {PICTURES}",
                    where=f"{folder / place.file}, {place}, key 'imageId'",
                )
            yield general_item(
                NAME,
                row.id,
                Kind.OPEN,
                f"{row.question}\n{SHORT}",
                row.answer,
                (pictures[row.imageId],),
                entity=row.imageId,
                group=row.types.structural,
            )

    files = [file for patterns in tables for file in find(folder, *patterns)]
    return GeneralSource(NAME, questions, StoredImages(folder), files, sample, seed)
