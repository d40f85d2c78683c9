"""OFFSIDE (arXiv 2510.22535): rumours about football players, seen in pictures and told in text.

Question files are lists of `{messages, images}`, classification files lists of `{Question, Options, Correct_Answer,
images}`. Their names were not read; a file is told by the word `forget`, `retain` or `test` in its path, and by `class`
or `choice` for the second form; others are left out. One picture, not one player, is what is forgotten: players have
kept and forgotten pictures.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from smllmun_bench.data.benchmarks.conversations import Turn, questions
from smllmun_bench.data.benchmarks.mllmu import Choice
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.published import BOTH, Entry, PublishedSource, make_item
from smllmun_bench.data.table_files import Place, find
from smllmun_bench.data.tables import ImageRefs, Upstream, read
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Kind, Role

HUB = Hub("zh1218001/OFFSIDE")
NAME = "offside"
PARTS = {"forget": Role.FORGET, "retain": Role.RETAIN, "test": Role.RETAIN}


class Dialogue(Upstream):
    messages: tuple[Turn, ...]
    images: ImageRefs = ()


class Classified(Choice):
    images: ImageRefs = ()


def offside(path: Path | None = None, forget_percent: int = 10, revision: str = "main") -> PublishedSource:
    """OFFSIDE's fixed split. `forget_percent` is nominal: the files say who is forgotten."""
    folder = locate(path, HUB, revision=revision)
    files = [file for file in find(folder, "**/*.json", "**/*.jsonl", "**/*.parquet") if _role(file, folder)]
    if not files:
        raise UserError(
            "no file is named after forget, retain or test", where=str(folder), fix="forget.json, retain_choice.json"
        )

    def stream() -> Iterator[Entry]:
        for file in files:
            name, role = file.relative_to(folder).as_posix(), _role(file, folder)
            assert role is not None
            if "choice" in name.lower() or "class" in name.lower():
                for place, choice in read(folder, Classified, name):
                    yield _chosen(choice, role, place)
            else:
                for place, dialogue in read(folder, Dialogue, name):
                    yield from _asked(dialogue, role, place)

    return PublishedSource(NAME, stream, StoredImages(folder), files)


def _role(file: Path, folder: Path) -> Role | None:
    name = file.relative_to(folder).as_posix().lower()
    return next((role for word, role in PARTS.items() if word in name), None)


def _asked(row: Dialogue, role: Role, place: Place) -> Iterator[Entry]:
    entity, player = _entity(row.images, place)
    for number, (question, answer) in enumerate(questions(row.messages)):
        item_id = f"offside.{place.file}.{place.row}.{number}"
        item = make_item(NAME, item_id, entity, role, Kind.OPEN, question, answer, images=row.images, group=player)
        yield Entry(item, BOTH)


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
