"""VQAv2, VizWiz and TextVQA: ten annotators answer, and agreement with them is the score.

Layouts: split `validation` (`val` for VizWiz) of the hub's copies; or the authors' files: VQAv2's
`v2_OpenEnded_mscoco_val2014_questions.json` with `v2_mscoco_val2014_annotations.json` and `val2014/`; VizWiz's
`val.json` with `val/`; TextVQA's `TextVQA_0.5.1_val.json` (`{data: […]}`) with `train_images/`. `accepted` of an item
holds all ten answers in their order. Test splits have no answers and cannot be scored here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from smllmun_bench.data.general.layouts import Layout, Pictures, beside, changed, either, with_pictures
from smllmun_bench.data.general.vqa_source import SHORT, GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import RawRows, listed_records, raw_rows
from smllmun_bench.data.tables import ImageRef, Upstream, Words
from smllmun_bench.schema import Item, Kind

TABLES = ("data/val*", "val*", "default/val*", "data", "*.parquet", "*.json*")
UNANSWERABLE = "If the question cannot be answered from the picture, say unanswerable."


def _texts(value: Any) -> Any:
    """Answers as texts: VQAv2 and VizWiz store records, TextVQA texts; `datasets` may make one record of lists."""
    if value is None:
        raise ValueError("there are no answers: the test split cannot be scored here")
    if isinstance(value, dict):
        value = value.get("answer")
    if isinstance(value, list):
        return [answer.get("answer") if isinstance(answer, dict) else answer for answer in value]
    return value


class Row(Upstream):
    question: str
    answers: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_texts)]
    image: ImageRef
    question_id: str | None = None
    image_id: Words = ""
    answer_type: Words = ""
    multiple_choice_answer: str | None = None


def _vqav2(file: Path, folder: Path, pictures: Pictures) -> RawRows:
    """Questions joined with their annotations by `question_id`."""
    annotations = beside(file, folder, "**/v2_mscoco_val2014_annotations.json")
    given = {str(row.get("question_id")): row for _, row in listed_records(annotations, folder, "annotations")}

    def row(record: dict[str, Any]) -> dict[str, Any]:
        image = record.get("image_id")
        name = f"COCO_val2014_{image:012d}.jpg" if isinstance(image, int) else str(image)
        return given.get(str(record.get("question_id")), {}) | record | {"image": pictures(name)}

    return changed(listed_records(file, folder, "questions"), row)


def _vizwiz(file: Path, folder: Path, pictures: Pictures) -> RawRows:
    def row(record: dict[str, Any]) -> dict[str, Any]:
        image = record.get("image")
        return record | {"image": pictures(image) if image else None, "question_id": image, "image_id": image}

    return changed(raw_rows(file, folder), row)


def _textvqa(file: Path, folder: Path, pictures: Pictures) -> RawRows:
    def row(record: dict[str, Any]) -> dict[str, Any]:
        return record | {"image": pictures(f"{record.get('image_id')}.jpg")}

    return changed(listed_records(file, folder, "data"), row)


VQAV2 = Layout(
    ("**/v2_OpenEnded_mscoco_val2014_questions.json",),
    with_pictures(("val2014", "Images/mscoco/val2014", "images"), _vqav2),
    also=("**/v2_mscoco_val2014_annotations.json",),
)
VIZWIZ = Layout(
    ("Annotations/val.json", "annotations/val.json", "val.json"),
    with_pictures(("val", "images", "Images"), _vizwiz),
    wanted=lambda file: file.name == "val.json",
)
TEXTVQA = Layout(("**/TextVQA_*_val.json",), with_pictures(("train_images", "train_val_images", "images"), _textvqa))


def vqav2(path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0) -> GeneralSource:
    """VQAv2's validation questions; strata are yes/no, number and other."""
    return _soft(
        "vqav2", Hub("lmms-lab/VQAv2", patterns=("data/validation*",)), path, revision, sample, seed, SHORT, VQAV2
    )


def vizwiz(path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0) -> GeneralSource:
    """VizWiz's validation questions, asked by blind people; the prompt allows `unanswerable`."""
    hub = Hub("lmms-lab/VizWiz-VQA", patterns=("data/val*",))
    return _soft("vizwiz", hub, path, revision, sample, seed, f"{UNANSWERABLE}\n{SHORT}", VIZWIZ)


def textvqa(
    path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0
) -> GeneralSource:
    """TextVQA's validation questions about text in pictures."""
    hub = Hub("lmms-lab/textvqa", patterns=("data/validation*",), aliases=("facebook/textvqa",))
    return _soft("textvqa", hub, path, revision, sample, seed, SHORT, TEXTVQA)


def _soft(
    name: str, hub: Hub, path: Path | None, revision: str, sample: int | None, seed: int, prompt: str, authors: Layout
) -> GeneralSource:
    folder = locate(path, hub, revision=revision)
    rows, files = either(folder, Row, TABLES, authors)

    def questions() -> Iterator[Item]:
        for number, (_, row) in enumerate(rows):
            yield general_item(
                name,
                row.question_id or str(number),
                Kind.OPEN,
                f"{row.question}\n{prompt}",
                row.multiple_choice_answer or _most_frequent(row.answers),
                (row.image,),
                entity=row.image_id,
                group=row.answer_type,
                accepted=row.answers,
            )

    return GeneralSource(name, questions, StoredImages(folder), files, sample, seed)


def _most_frequent(answers: tuple[str, ...]) -> str:
    """What most annotators said; the first of them in a tie."""
    return max(dict.fromkeys(answers), key=answers.count)
