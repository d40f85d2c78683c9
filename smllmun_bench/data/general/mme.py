"""MME: two yes-or-no questions about each picture, in fourteen categories.

Layouts: the hub's `data/test-*.parquet`, or any table with the columns `question_id` (the picture), `image`,
`question`, `answer` and `category`; or the authors' release, a folder for each category in which `NAME.txt` holds two
lines `question<tab>answer` about `NAME.jpg` or `NAME.png`, side by side or in `questions_answers_YN/` and `images/`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from smllmun_bench.data.general.layouts import Layout, Pictures, either
from smllmun_bench.data.general.vqa_source import SHORT, GeneralSource, general_item
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.table_files import Place, RawRows, read_text
from smllmun_bench.data.tables import ImageRef, Upstream
from smllmun_bench.schema import Item, Kind

HUB = Hub("lmms-lab/MME", aliases=("lmms-lab-encoder/MME",))
NAME = "mme"
TABLES = ("data/test*", "test*", "data", "*.parquet", "*.json*")
CATEGORIES = (
    "existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR",
    "commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning",
)  # fmt: skip
_TRAILER = "Please answer yes or no."


class Row(Upstream):
    question_id: str
    image: ImageRef
    question: str
    answer: Literal["Yes", "No", "yes", "no"]
    category: str


def _authors(file: Path, folder: Path) -> RawRows:
    home = _home(file)
    name, category = file.relative_to(folder).as_posix(), home.name
    below = home.relative_to(folder).as_posix()
    picture = Pictures(folder, f"{below}/images", below)(file.stem)
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if line.strip():
            question, tab, answer = line.strip().rpartition("\t")
            row = {"question": question.strip(), "answer": answer.strip()} if tab else {"question": line.strip()}
            own = {"question_id": f"{category}/{Path(picture).name}", "image": picture, "category": category}
            yield Place(name, number, "line"), row | own


def _home(file: Path) -> Path:
    """The folder of the category that a text file belongs to."""
    return file.parent.parent if file.parent.name == "questions_answers_YN" else file.parent


AUTHORS = Layout(("**/*.txt",), _authors, wanted=lambda file: _home(file).name in CATEGORIES)  # results lie beside


def mme(path: Path | None = None, revision: str = "main", sample: int | None = None, seed: int = 0) -> GeneralSource:
    """MME, asked for a single word. Both questions of a picture are drawn together."""
    folder = locate(path, HUB, revision=revision)
    rows, files = either(folder, Row, TABLES, AUTHORS)

    def questions() -> Iterator[Item]:
        for number, (_, row) in enumerate(rows):
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

    return GeneralSource(NAME, questions, StoredImages(folder), files, sample, seed)
