"""MM-Vet and LLaVA-Bench (in the wild): long answers whose official score is a judge's.

Without a judge MM-Vet has the AND/OR match and LLaVA-Bench ROUGE-L against the reference, each under its own name.
"""

from collections.abc import Iterator
from pathlib import Path

from smllmun_bench.data.general.vqa_source import GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRef, Upstream, Words, read
from smllmun_bench.schema import Item, Kind

TABLES = ("data/test*", "data/train*", "test*", "train*", "data", "*.parquet", "*.json*")


class Vet(Upstream):
    question_id: str
    question: str
    answer: str
    image: ImageRef
    capability: str


class Wild(Upstream):
    question_id: str
    question: str
    category: str
    image: ImageRef
    gpt_answer: str
    image_id: Words = ""


def mm_vet(path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0) -> GeneralSource:
    """MM-Vet's 218 questions; `group` lists the capabilities, separated by commas."""
    folder = locate(path, Hub("lmms-lab/MMVet", aliases=("lmms-lab-encoder/MMVet",)), revision=revision)

    def questions() -> Iterator[Item]:
        for _, row in read(folder, Vet, *TABLES):
            yield general_item(
                "mm_vet", row.question_id, Kind.OPEN, row.question, row.answer, (row.image,), group=row.capability
            )

    return GeneralSource("mm_vet", questions, StoredImages(folder), find(folder, *TABLES), sample, seed)


def llava_bench(
    path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0
) -> GeneralSource:
    """LLaVA-Bench's 60 questions; the answer is the reference model's."""
    folder = locate(path, Hub("lmms-lab/llava-bench-in-the-wild"), revision=revision)

    def questions() -> Iterator[Item]:
        for _, row in read(folder, Wild, *TABLES):
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

    return GeneralSource("llava_bench", questions, StoredImages(folder), find(folder, *TABLES), sample, seed)
