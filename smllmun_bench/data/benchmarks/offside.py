"""OFFSIDE (arXiv 2510.22535): rumours about football players, seen in pictures and told in text.

Question files are lists of `{messages, images}`, classification files lists of `{Question, Options, Correct_Answer,
images}`: `train_data.json`, `forget_set.json`, `retain_set.json`, `test_set.json`. As upstream, `train` is what the
target memorises, where there is such a file (else the rows of forget and retain are), and `test` is asked alone. A file
is told by these words in its path, and by `class` or `choice` for the second form; others are left out, and so is
`forget_set_part.json` (the selective setting) beside `forget_set.json`. One picture, not one player, is what is
forgotten: players have kept and forgotten pictures.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from smllmun_bench.data.benchmarks.conversations import Turn, questions
from smllmun_bench.data.benchmarks.mllmu import Choice
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.published import BOTH, Entry, PublishedSource, make_item, sided
from smllmun_bench.data.rows import Use
from smllmun_bench.data.table_files import Place, find
from smllmun_bench.data.tables import ImageRefs, Upstream, read
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Kind, Role

HUB = Hub("zh1218001/OFFSIDE")
NAME = "offside"
PARTS = {"forget": Role.FORGET, "retain": Role.RETAIN, "test": Role.RETAIN, "train": Role.RETAIN}
_WORD = re.compile(r"[a-z]+")


class Dialogue(Upstream):
    messages: tuple[Turn, ...]
    images: ImageRefs = ()


class Classified(Choice):
    images: ImageRefs = ()


def offside(path: Path | None = None, forget_percent: int = 10, revision: str = "main") -> PublishedSource:
    """OFFSIDE's fixed split. `forget_percent` is nominal: the files say who is forgotten."""
    folder = locate(path, HUB, revision=revision)
    tables = [file for file in find(folder, "**/*.json", "**/*.jsonl", "**/*.parquet") if _part(file, folder)]
    files = [file for file in tables if not _is_part_of(file, tables)]
    if not files:
        raise UserError(
            "no file is named after forget, retain or test", where=str(folder), fix="forget.json, retain_choice.json"
        )
    trained = any(_part(file, folder) == "train" for file in files)

    def stream() -> Iterator[Entry]:
        for file in sorted(files, key=lambda file: list(PARTS).index(_part(file, folder))):
            name, part = file.relative_to(folder).as_posix(), _part(file, folder)
            role = PARTS[part]
            if "choice" in name.lower() or "class" in name.lower():
                for place, choice in read(folder, Classified, name):
                    yield _chosen(choice, role, place)
            else:
                for place, dialogue in read(folder, Dialogue, name):
                    yield from _asked(dialogue, role, place, _uses(part, trained))

    return PublishedSource(NAME, lambda: sided(stream()), StoredImages(folder), files)


def _part(file: Path, folder: Path) -> str:
    """Which of the parts a file is, by the first of their words that a word of its path begins with; or none."""
    words = _WORD.findall(file.relative_to(folder).as_posix().lower())
    return next((part for part in PARTS if any(word.startswith(part) for word in words)), "")


def _is_part_of(file: Path, files: Sequence[Path]) -> bool:
    """Whether it is `X_part.json` and `X.json` lies beside it."""
    return file.stem.endswith("_part") and file.with_name(file.name.replace("_part", "")) in files


def _uses(part: str, trained: bool) -> tuple[Use, ...]:
    if part == "train":
        return (Use.TRAIN,)
    return (Use.EVALUATE,) if trained or part == "test" else BOTH


def _asked(row: Dialogue, role: Role, place: Place, uses: tuple[Use, ...]) -> Iterator[Entry]:
    entity, player = _entity(row.images, place)
    for number, (question, answer) in enumerate(questions(row.messages)):
        item_id = f"offside.{place.file}.{place.row}.{number}"
        item = make_item(NAME, item_id, entity, role, Kind.OPEN, question, answer, images=row.images, group=player)
        yield Entry(item, uses)


def _chosen(row: Classified, role: Role, place: Place) -> Entry:
    entity, player = _entity(row.images, place)
    item_id = f"offside.{place.file}.{place.row}"
    return Entry(
        make_item(
            NAME,
            item_id,
            entity,
            role,
            Kind.CHOICE,
            row.Question,
            row.answer,
            images=row.images,
            choices=row.choices,
            group=player,
        )
    )


def _entity(images: tuple[str, ...], place: Place) -> tuple[str, str]:
    """(picture, player): a player's pictures lie in one folder; a row without a picture is one of its own."""
    if not images:
        return f"{place.file}:{place.row}", ""
    path = PurePosixPath(images[0].removeprefix("file:"))
    return path.as_posix(), path.parent.name
