"""MM-Vet and LLaVA-Bench (in the wild): long answers whose official score is a judge's.

Layouts: the hub's tables; or as their authors publish them, MM-Vet's `mm-vet.json` (an object of records) with
`images/`, LLaVA-Bench's `questions.jsonl` and `answers_gpt4.jsonl` (the reference) with `images/`.

Without a judge MM-Vet has the AND/OR match and LLaVA-Bench ROUGE-L against the reference, each under its own name.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from smllmun_bench.data.general.layouts import Layout, Pictures, beside, changed, either, with_pictures
from smllmun_bench.data.general.vqa_source import GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import RawRows, json_lines, keyed_records
from smllmun_bench.data.tables import ImageRef, Upstream, Words
from smllmun_bench.schema import Item, Kind

TABLES = ("data/test*", "data/train*", "test*", "train*", "data", "*.parquet", "*.json*")


def _listed(value: object) -> object:
    """The authors list the capabilities; the hub's table joins them."""
    return ",".join(map(str, value)) if isinstance(value, list) else value


class Vet(Upstream):
    question_id: str
    question: str
    answer: str
    image: ImageRef
    capability: Annotated[str, BeforeValidator(_listed)]


class Wild(Upstream):
    question_id: str
    question: str
    category: str
    image: ImageRef
    gpt_answer: str
    image_id: Words = ""


def _vet(file: Path, folder: Path, pictures: Pictures) -> RawRows:
    for place, record in keyed_records(file, folder):
        image = {"image": pictures(record["imagename"])} if record.get("imagename") else {}
        yield place, record | image | {"question_id": place.row}


def _wild(file: Path, folder: Path, pictures: Pictures) -> RawRows:
    """Questions joined with the reference answers by their id."""
    answers = beside(file, folder, "**/answers_gpt4.jsonl", "**/answers_gpt4*.jsonl")
    own = answers.relative_to(folder).as_posix()
    reference = {str(row.get("question_id")): row.get("text") for _, row in json_lines(answers, own)}

    def row(record: dict[str, Any]) -> dict[str, Any]:
        image = str(record.get("image", ""))
        return {
            "question_id": record.get("question_id"),
            "question": record.get("text"),
            "category": record.get("category"),
            "image": pictures(image) if image else None,
            "image_id": Path(image).stem,
            "gpt_answer": reference.get(str(record.get("question_id"))),
        }

    return changed(json_lines(file, file.relative_to(folder).as_posix()), row)


VET = Layout(("**/mm-vet.json",), with_pictures(("images", ""), _vet))
WILD = Layout(("**/questions.jsonl",), with_pictures(("images", ""), _wild), also=("**/answers_gpt4*.jsonl",))


def mm_vet(path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0) -> GeneralSource:
    """MM-Vet's 218 questions; `group` lists the capabilities, separated by commas."""
    folder = locate(path, Hub("lmms-lab/MMVet", aliases=("lmms-lab-encoder/MMVet",)), revision=revision)
    rows, files = either(folder, Vet, TABLES, VET)

    def questions() -> Iterator[Item]:
        for _, row in rows:
            yield general_item(
                "mm_vet", row.question_id, Kind.OPEN, row.question, row.answer, (row.image,), group=row.capability
            )

    return GeneralSource("mm_vet", questions, StoredImages(folder), files, sample, seed)


def llava_bench(
    path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0
) -> GeneralSource:
    """LLaVA-Bench's 60 questions; the answer is the reference model's."""
    folder = locate(path, Hub("lmms-lab/llava-bench-in-the-wild"), revision=revision)
    rows, files = either(folder, Wild, TABLES, WILD)

    def questions() -> Iterator[Item]:
        for _, row in rows:
            yield general_item(
                "llava_bench",
                row.question_id,
                Kind.OPEN,
                row.question,
                row.gpt_answer,
                (row.image,),
                entity=row.image_id,
                group=row.category,
            )

    return GeneralSource("llava_bench", questions, StoredImages(folder), files, sample, seed)
