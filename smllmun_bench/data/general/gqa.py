"""GQA: questions about scene graphs. Questions and pictures are two tables, joined by `imageId`.

Layouts: the hub's `testdev_balanced_instructions` and `testdev_balanced_images`; or the authors'
`testdev_balanced_questions.json` (an object of records) with `images/`.
"""

from collections.abc import Iterator
from pathlib import Path

from smllmun_bench.data.general.layouts import Layout, Pictures, either, with_pictures
from smllmun_bench.data.general.vqa_source import SHORT, GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import RawRows, find, keyed_records
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
    image: ImageRef | None = None  # of the authors' file


class Picture(Upstream):
    id: str
    image: ImageRef


def _authors(file: Path, folder: Path, pictures: Pictures) -> RawRows:
    for place, record in keyed_records(file, folder):
        image = record.get("imageId")
        yield place, record | {"id": place.row, "image": pictures(f"{image}.jpg") if image else None}


AUTHORS = Layout(("**/testdev_balanced_questions.json",), with_pictures(("images",), _authors))


def gqa(path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0) -> GeneralSource:
    """GQA's balanced testdev questions; strata of a sample are the structural types."""
    folder = locate(path, HUB, revision=revision)
    shown = (PICTURES, f"{PICTURES}.*")
    rows, files = either(folder, Row, (QUESTIONS, f"{QUESTIONS}.*"), AUTHORS)
    own = bool(AUTHORS.files(folder))

    def questions() -> Iterator[Item]:
        pictures = {} if own else {row.id: row.image for _, row in read(folder, Picture, *shown)}
        for place, row in rows:
            image = row.image or pictures.get(row.imageId)
            if image is None:
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
                (image,),
                entity=row.imageId,
                group=row.types.structural,
            )

    stored = files if own else [*files, *find(folder, *shown)]
    return GeneralSource(NAME, questions, StoredImages(folder), stored, sample, seed)
