"""A general set in either form: the hub's tables, or the files that its authors publish.

The authors' records are turned into rows of the hub's columns, so that one model checks both and one item comes out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from smllmun_bench.data.confined import contained, hidden, relative
from smllmun_bench.data.table_files import Place, RawRows, find
from smllmun_bench.data.tables import Tables, nothing_there
from smllmun_bench.errors import UserError

R = TypeVar("R", bound=BaseModel)
_SUFFIXES = (".json", ".jsonl", ".tsv", ".txt")
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the authors publish a set: patterns of the files that hold its rows, and what turns one into rows.

    `rows` gets a file and the folder. `also`: further files that the rows are made of. `wanted` chooses among files.
    """

    told_by: tuple[str, ...]
    rows: Callable[[Path, Path], RawRows]
    also: tuple[str, ...] = ()
    wanted: Callable[[Path], bool] = lambda file: True

    def files(self, folder: Path) -> list[Path]:
        return [file for file in find(folder, *self.told_by, suffixes=_SUFFIXES) if self.wanted(file)]


def either(folder: Path, model: type[R], hub: Sequence[str], authors: Layout) -> tuple[Tables[R], list[Path]]:
    """The rows of the authors' files where they are there, else of the hub's tables; and all files they come from.

    Where neither is there, the error comes when rows are asked for.
    """
    own = authors.files(folder)
    if own:
        more = [file for pattern in authors.also for file in find(folder, pattern, suffixes=_SUFFIXES)]
        return Tables(folder, own, model, rows=authors.rows), list(dict.fromkeys([*own, *more]))
    files = find(folder, *hub)
    missing = None if files else nothing_there(folder, *hub, authors=authors.told_by)
    return Tables(folder, files, model, missing=missing), files


def beside(file: Path, folder: Path, *patterns: str) -> Path:
    """The other file that an authors' file needs. Raises UserError where it is not in the folder."""
    found = find(folder, *patterns, suffixes=_SUFFIXES)
    if not found:
        raise UserError(f"{' or '.join(patterns)} is missing, which {file.name} needs", where=str(folder))
    return found[0]


def changed(rows: RawRows, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Iterator[tuple[Place, Any]]:
    """The rows as `change` makes them; None leaves one out."""
    for place, row in rows:
        made = change(row)
        if made is not None:
            yield place, made


class Pictures:
    """The path of a picture below the folder, by the name that a table gives.

    Looked for in the places that the authors use, with and without a suffix, then by its name in the whole folder,
    where only one has it. What is nowhere keeps the first place, and opening it says so.
    """

    def __init__(self, folder: Path, *places: str) -> None:
        self._folder, self._places = folder, places or ("",)
        self._names: dict[str, str | None] | None = None

    def __call__(self, name: object) -> str:
        try:
            pure = relative(str(name), where=str(self._folder), what="image path")
        except UserError:
            return str(name)  # opening it says what is wrong
        tails = [str(pure)] if pure.suffix.lower() in PICTURES else [f"{pure}{suffix}" for suffix in ("", *PICTURES)]
        tried = [f"{place}/{tail}" if place else tail for place in self._places for tail in tails]
        there = (path for path in tried if (self._folder / path).is_file())
        by_name = (found for tail in tails if (found := self._anywhere(tail.rpartition("/")[2])))
        return next(there, None) or next(by_name, None) or tried[0]

    def _anywhere(self, name: str) -> str | None:
        if self._names is None:
            self._names = {}
            for path in self._folder.rglob("*"):
                if path.suffix.lower() in (*PICTURES, "") and path.is_file() and not hidden(path, self._folder):
                    below = contained(path, self._folder).relative_to(self._folder).as_posix()
                    self._names[path.name] = None if path.name in self._names else below
        return self._names.get(name)


def with_pictures(places: Sequence[str], rows: Callable[[Path, Path, Pictures], RawRows]) -> Callable[..., RawRows]:
    """`rows` with a finder of pictures for the folder."""

    def read(file: Path, folder: Path) -> RawRows:
        return rows(file, folder, Pictures(folder, *places))

    return read
