"""Streams typed rows out of a folder in somebody else's layout: Parquet, JSON (a list) and JSON lines.

Each benchmark says what a row looks like as a pydantic model. A row that does not fit is told with file, row and key;
the faults of several rows are gathered into one error. Image bytes are not read here: rows carry references.
"""

import ast
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from smllmun_bench.data.images import file_ref, image_columns, refs_of
from smllmun_bench.errors import UserError, nearest

SUFFIXES = (".parquet", ".jsonl", ".json")
BATCH = 256  # rows of a Parquet file in memory
FAULTS_SHOWN = 8
LARGEST_LITERAL = 2**20  # characters


class Upstream(BaseModel):
    """A row as somebody else stores it; columns that we do not use may be there."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


R = TypeVar("R", bound=BaseModel)


# -- kinds of cells ----------------------------------------------------------------------------------------------------


class _Ref(str):
    """A reference that the reader made itself, so that it is not taken for the path of a file."""

    __slots__ = ()


def _as_ref(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, _Ref) and value.strip():
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
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise ValueError(f"is no Python literal: {str(error).splitlines()[0]}") from None


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from None


def _list(value: object) -> object:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: `file` relative to the folder, counted from 0 (lines of a text file from 1)."""

    file: str
    row: int
    unit: str = "row"

    def __str__(self) -> str:
        return f"{self.file}, {self.unit} {self.row}"


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
    """The rows of some files of a folder as models, in the order of the files."""

    def __init__(self, folder: Path, files: Sequence[Path], model: type[R]) -> None:
        self._folder, self._files, self._model = folder, files, model

    def __iter__(self) -> Iterator[tuple[Place, R]]:
        faults = Faults(self._folder)
        for path in self._files:
            for place, values in raw_rows(path, self._folder):
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
        present = sorted({path.relative_to(folder).parts[0] for path in _tables_in(folder)})
        raise UserError(
            f"no Parquet, JSON or JSONL file for {' or '.join(patterns)}",
            where=str(folder),
            fix=f"{', '.join(present[:12])} is what lies there" if present else "the folder holds no table at all",
        )
    return Tables(folder, files, model)


def find(folder: Path, *patterns: str) -> list[Path]:
    """The tables that the first fitting pattern names, sorted."""
    for pattern in patterns:
        hits = [path for path in folder.glob(pattern) if path.suffix in SUFFIXES or path.is_dir()]
        files = [below for hit in hits for below in (_tables_in(hit) if hit.is_dir() else [hit])]
        if files:
            return sorted(set(files))
    return []


def _tables_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file()]


def raw_rows(path: Path, folder: Path) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The rows of one file as mappings, image bytes as references. Raises UserError for a file that is no table."""
    file = path.relative_to(folder).as_posix()
    match path.suffix:
        case ".parquet":
            yield from _parquet_rows(path, file)
        case ".jsonl":
            yield from _lines(path, file)
        case _:
            yield from _json_rows(path, file)


def _parquet_rows(path: Path, file: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path)
        images = image_columns(table)
        others = [name for name in table.schema_arrow.names if name not in images]
        leaves = [leaf for name, paths in images.items() for leaf in (paths or [name])]
        number = 0
        for batch in table.iter_batches(batch_size=BATCH, columns=[*others, *leaves]):
            for values in batch.to_pylist():
                for name in images:
                    values[name] = _marked(refs_of(values[name], file, number, name))
                yield Place(file, number), values
                number += 1
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"not a readable Parquet file: {str(error).splitlines()[0]}", where=str(path)) from error


def _marked(value: object) -> object:
    if isinstance(value, list):
        return [_Ref(part) for part in value]
    return _Ref(value) if isinstance(value, str) else value


def _lines(path: Path, file: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    place = Place(file, number, "line")
                    yield place, _mapping(_parsed(line, f"{path}, line {number}"), f"{path}, line {number}")
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text (byte {error.start})", where=str(path)) from None


def _json_rows(path: Path, file: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    """A JSON list; or JSON lines under the name `.json`, as FIUBench has been published both ways."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text (byte {error.start})", where=str(path)) from None
    try:
        whole = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        first, _, rest = text.lstrip().partition("\n")
        if not (first.startswith("{") and first.rstrip().endswith("}") and rest.strip()):
            raise UserError(f"not JSON: {error}", where=str(path)) from None
        yield from _lines(path, file)
        return
    rows = whole if isinstance(whole, list) else [whole]
    for number, row in enumerate(rows):
        yield Place(file, number), _mapping(row, f"{path}, row {number}")


def _parsed(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"not JSON: {error}", where=where) from None


def _mapping(row: object, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise UserError(f"a row is a {type(row).__name__}, expected keys and values", where=where)
    return row
