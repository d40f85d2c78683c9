"""VQAv2, VizWiz and TextVQA: ten annotators answer, and agreement with them is the score.

Layout: split `validation` (`val` for VizWiz) of the hub's copies. `accepted` of an item holds all ten answers in their
order. Test splits have no answers and cannot be scored here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from smllmun_bench.data.general.vqa_source import SHORT, GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRef, Upstream, Words, read
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


def vqav2(path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0) -> GeneralSource:
    """VQAv2's validation questions; strata are yes/no, number and other."""
    return _soft("vqav2", Hub("lmms-lab/VQAv2", patterns=("data/validation*",)), path, revision, sample, seed, SHORT)


def vizwiz(path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0) -> GeneralSource:
    """VizWiz's validation questions, asked by blind people; the prompt allows `unanswerable`."""
    hub = Hub("lmms-lab/VizWiz-VQA", patterns=("data/val*",))
    return _soft("vizwiz", hub, path, revision, sample, seed, f"{UNANSWERABLE}\n{SHORT}")


def textvqa(
    path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0
) -> GeneralSource:
    """TextVQA's validation questions about text in pictures."""
    hub = Hub("lmms-lab/textvqa", patterns=("data/validation*",), aliases=("facebook/textvqa",))
    return _soft("textvqa", hub, path, revision, sample, seed, SHORT)


def _soft(
    name: str, hub: Hub, path: Path | None, revision: str, sample: int | None, seed: int, prompt: str
) -> GeneralSource:
    folder = locate(path, hub, revision=revision)

    def questions() -> Iterator[Item]:
        for number, (_, row) in enumerate(read(folder, Row, *TABLES)):
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

    return GeneralSource(name, questions, StoredImages(folder), find(folder, *TABLES), sample, seed)


def _most_frequent(answers: tuple[str, ...]) -> str:
    """What most annotators said; the first of them in a tie."""
    return max(dict.fromkeys(answers), key=answers.count)
