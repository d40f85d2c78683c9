"""Streams typed rows out of a folder in somebody else's layout: Parquet, JSON (a list) and JSON lines.

Each benchmark says what a row looks like as a pydantic model. A row that does not fit is told with file, row and key;
the faults of several rows are gathered into one error. Image bytes are not read here: rows carry references.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from smllmun_bench.data.images import file_ref
from smllmun_bench.data.table_files import SUFFIXES, Place, RawRows, Ref, find, parse, plain, raw_rows, tables_in
from smllmun_bench.errors import UserError, nearest

FAULTS_SHOWN = 8
LARGEST_LITERAL = 2**20  # characters


class Upstream(BaseModel):
    """A row as somebody else stores it; columns that we do not use may be there."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


R = TypeVar("R", bound=BaseModel)


# -- kinds of cells ----------------------------------------------------------------------------------------------------


def _as_ref(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Ref) and value.strip():
        return file_ref(value.strip())
    return value


def _as_refs(value: object) -> object:
    if value is None or value == "":
        return ()
    return [_as_ref(part) for part in value] if isinstance(value, list) else [_as_ref(value)]


def _literal(value: object) -> object:
    if not isinstance(value, str):
        return value
    if len(value) > LARGEST_LITERAL:
        raise ValueError(f"a literal of {len(value)} characters is too long")
    try:
        return plain(ast.literal_eval(value.strip()))
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise ValueError(f"is no Python literal: {str(error).splitlines()[0]}") from None


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse(value, "")
    except UserError as error:
        raise ValueError(f"is {error.what}") from None


def _list(value: object) -> object:
    if value is None:
        return ()
    return (value,) if isinstance(value, str | int | float) else value


def _words(value: object) -> object:
    return "" if value is None else value


ImageRef = Annotated[str, BeforeValidator(_as_ref)]
"""The image of a row: stored in the row, or the path of a file."""
ImageRefs = Annotated[tuple[str, ...], BeforeValidator(_as_refs)]
"""One image or a list of them; null and an empty text are none."""
PythonLiteral = BeforeValidator(_literal)
"""Marks a cell whose text is a Python literal (UMU-Bench, MMMU), read without running anything."""
JsonText = BeforeValidator(_json)
"""Marks a cell whose text is JSON (MLLMU-Bench's `metadata`)."""
Words = Annotated[str, BeforeValidator(_words)]
"""A text that may be null, which is the empty text."""
Texts = Annotated[tuple[str, ...], BeforeValidator(_list)]
"""A list of texts, one text, or null."""


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass
class Faults:
    """What was wrong in the rows so far; raises at the end of a file, or when there are too many to show."""

    folder: Path
    found: list[str] = field(default_factory=list)

    def add(self, place: Place, key: str, what: str, fix: str = "") -> None:
        self.found.append(f"{place}, key {key!r}: {what}" + (f" (try {fix})" if fix else ""))
        if len(self.found) > FAULTS_SHOWN:
            self.check()

    def check(self) -> None:
        if self.found:
            shown = self.found[:FAULTS_SHOWN]
            more = ["and more"] if len(self.found) > len(shown) else []
            raise UserError("some rows do not fit:\n  " + "\n  ".join([*shown, *more]), where=str(self.folder))


class Tables(Generic[R]):
    """The rows of some files of a folder as models, in the order of the files.

    `rows` gives the raw rows of one file; `missing` is the error where there is no file at all.
    """

    def __init__(
        self,
        folder: Path,
        files: Sequence[Path],
        model: type[R],
        rows: Callable[[Path, Path], RawRows] = raw_rows,
        missing: UserError | None = None,
    ) -> None:
        self.folder, self.files = folder, tuple(files)
        self._model, self._rows, self._missing = model, rows, missing

    def __iter__(self) -> Iterator[tuple[Place, R]]:
        if self._missing is not None:
            raise self._missing
        faults = Faults(self.folder)
        for path in self.files:
            for place, values in self._rows(path, self.folder):
                row = self._validated(place, values, faults)
                if row is not None:
                    yield place, row
            faults.check()

    def _validated(self, place: Place, values: dict[str, Any], faults: Faults) -> R | None:
        try:
            return self._model.model_validate(values)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                faults.add(place, *_worded(detail, values))
            return None


def _worded(detail: Any, values: dict[str, Any]) -> tuple[str, str, str]:
    """(key, what, fix) of a pydantic error in plain words."""
    key = ".".join(map(str, detail["loc"]))
    if detail["type"] == "missing":
        close = nearest(str(detail["loc"][-1]), values) if len(detail["loc"]) == 1 else None
        return key, "is missing", f"{close!r}? it is there" if close else ""
    message = str(detail["msg"]).removeprefix("Value error, ")
    given = detail["input"]
    shown = f", found {given!r}" if isinstance(given, str | int | float | None) and len(str(given)) < 80 else ""
    return key, message[:1].lower() + message[1:] + shown, ""


def read(folder: Path, model: type[R], *patterns: str, optional: bool = False) -> Tables[R]:
    """The rows of all files that fit one of the patterns (globs below `folder`; a folder's name means its files).

    Raises UserError where nothing fits, naming what lies there instead, unless that is `optional`.
    """
    files = find(folder, *patterns)
    if not files and not optional:
        raise nothing_there(folder, *patterns)
    return Tables(folder, files, model)


def nothing_there(folder: Path, *patterns: str, authors: Sequence[str] = ()) -> UserError:
    """The error where no file fits the patterns of the hub's tables, nor those of the authors' own files."""
    present = sorted(
        {path.relative_to(folder).parts[0] for path in tables_in(folder, folder, (*SUFFIXES, ".tsv", ".csv"))}
    )
    own = f", and none of the authors' own ({' or '.join(authors)})" if authors else ""
    return UserError(
        f"no Parquet, JSON or JSONL file for {' or '.join(patterns)}{own}",
        where=str(folder),
        fix=f"{', '.join(present[:12])} is what lies there" if present else "the folder holds no table at all",
    )
