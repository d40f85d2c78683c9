"""POPE: is an object in the picture? Random, popular and adversarial questions, half of them true.

Layouts: the hub's config `Full` with splits `adversarial`, `popular`, `random`, or `default/test`, where `category`
names the split; or the authors' `coco_pope_random.json` and so on (JSON lines `{question_id, image, text, label}`) with
COCO's `val2014/` in the folder.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from smllmun_bench.data.general.layouts import Layout, Pictures, changed, either, with_pictures
from smllmun_bench.data.general.vqa_source import SHORT, GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import RawRows, json_lines
from smllmun_bench.data.tables import ImageRef, Upstream, Words
from smllmun_bench.schema import Item, Kind

HUB = Hub("lmms-lab/POPE", patterns=("Full/*",), aliases=("lmms-lab-encoder/POPE",))
NAME = "pope"
TABLES = ("Full", "data", "default", "*.parquet", "*.json*")
SPLITS = ("adversarial", "popular", "random")


class Row(Upstream):
    """`id` counts within a split only; `image_source` names the picture."""

    id: str
    question: str
    answer: Literal["yes", "no"]
    image: ImageRef
    category: str
    image_source: Words = ""


def _authors(file: Path, folder: Path, pictures: Pictures) -> RawRows:
    """The split is the last word of the file's name."""
    split = file.stem.rpartition("_")[2]

    def row(record: dict[str, Any]) -> dict[str, Any]:
        image = str(record.get("image", ""))
        picture = pictures(image) if image else None
        renamed = {"id": "question_id", "question": "text", "answer": "label"}
        named = {key: record[own] for key, own in renamed.items() if own in record}
        return named | {"image": picture, "category": split, "image_source": Path(image).stem}

    return changed(json_lines(file, file.relative_to(folder).as_posix()), row)


AUTHORS = Layout(
    ("**/coco_pope_*.json", "**/*_pope_*.json"),  # A-OKVQA's and GQA's have the same ids as COCO's
    with_pictures(("val2014", "images", "image", "coco/val2014"), _authors),
    wanted=lambda file: file.stem.rpartition("_")[2] in SPLITS,
)


def pope(path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0) -> GeneralSource:
    """POPE, asked for a single word; strata of a sample are the three splits."""
    folder = locate(path, HUB, revision=revision)
    rows, files = either(folder, Row, TABLES, AUTHORS)

    def questions() -> Iterator[Item]:
        for _, row in rows:
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

    return GeneralSource(NAME, questions, StoredImages(folder), files, sample, seed)
