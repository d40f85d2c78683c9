"""Raw rows of one file: Parquet, JSON (a list), JSON lines, Arrow as `save_to_disk` writes it, and tables with tabs or
commas.

Numbers are made plain here, for all adapters alike: a whole number is one however it is stored (`1985.0` of a column
that some null made floating), and NaN is nothing. Image bytes are not read: rows carry references.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from smllmun_bench.data.confined import contained, hidden, matches
from smllmun_bench.data.images import arrow_table, image_columns, refs_of
from smllmun_bench.data.separated import separated
from smllmun_bench.errors import UserError

SUFFIXES = (".parquet", ".jsonl", ".json", ".arrow")
_SAVED = ("dataset_info.json", "state.json", "dataset_dict.json")  # beside the tables of `save_to_disk`, and none
BATCH = 256  # rows of a Parquet file in memory
LARGEST_WHOLE = 2**53  # above it floats do not hold every whole number
_SURROGATE = re.compile("[\ud800-\udfff]")
_LISTED = ("data", "questions", "annotations", "rows", "records", "items", "examples")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: `file` relative to the folder, counted from 0 (text lines from 1), or told by its key."""

    file: str
    row: int | str
    unit: str = "row"

    @property
    def number(self) -> int | str:
        """The row counted from 1, in files of every form."""
        return self.row if self.unit == "line" or isinstance(self.row, str) else self.row + 1

    def __str__(self) -> str:
        return f"{self.file}, {self.unit} {self.row}"


RawRows = Iterator[tuple[Place, dict[str, Any]]]


class Ref(str):
    """A reference that a reader made itself, so that it is not taken for the path of a file."""

    __slots__ = ()


def find(folder: Path, *patterns: str, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    """The files that the first fitting pattern names, sorted; a folder's name means the files in it."""
    for pattern in patterns:
        files = [
            file
            for hit in matches(folder, pattern)
            for file in (tables_in(hit, folder, suffixes) if hit.is_dir() else [hit])
            if file.suffix in suffixes
        ]
        if files:
            return sorted(set(files))
    return []


def tables_in(below: Path, folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    found = [path for path in below.rglob("*") if path.suffix in suffixes and path.is_file()]
    saved = {path.parent for path in found if path.suffix == ".arrow"}
    told = [path for path in found if path.name in _SAVED and (path.parent in saved or path.name == _SAVED[-1])]
    return [contained(path, folder) for path in found if path not in told and not hidden(path, below)]


def raw_rows(path: Path, folder: Path) -> RawRows:
    """The rows of one file as mappings. Raises UserError for a file that is no table."""
    file = path.relative_to(folder).as_posix()
    match path.suffix:
        case ".parquet":
            yield from _parquet_rows(path, file)
        case ".arrow":
            yield from _arrow_rows(path, file)
        case ".jsonl":
            yield from json_lines(path, file)
        case ".tsv" | ".csv":
            yield from _separated_rows(path, file)
        case _:
            yield from _json_rows(path, file)


# -- Parquet -----------------------------------------------------------------------------------------------------------


def _check_once(names: Sequence[str], file: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            "column stands twice", where=f"{file}, column {twice[0]!r}", fix="give each column its own name"
        )


def _parquet_rows(path: Path, file: str) -> RawRows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        table = pq.ParquetFile(path)
        _check_once(table.schema_arrow.names, file)
        images = image_columns(table)
        texts = [name for name, leaves in images.items() if not leaves and _is_text(table, name)]
        for name in texts:
            del images[name]
        schema = table.schema_arrow
        floating = {name: schema.field(name).type for name in schema.names if _has_numbers(schema.field(name).type)}
        others = [name for name in schema.names if name not in images]
        leaves = [leaf for name, paths in images.items() for leaf in (paths or [name])]
        for batch in table.iter_batches(batch_size=BATCH, columns=[*others, *leaves]):
            for values in batch.to_pylist():
                for name in images:
                    values[name] = _marked(refs_of(values[name], file, number, name))
                for name, kind in floating.items():
                    if name not in images:
                        values[name] = _plain(values[name], kind)
                for name in texts:
                    values[name] = _decoded(values[name], name)
                yield Place(file, number), values
                number += 1
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise UserError(f"not a readable Parquet file: {str(error).splitlines()[0]}", where=str(path)) from error
    except ValueError as error:
        raise UserError(str(error), where=f"{path}, row {number}") from None


def _arrow_rows(path: Path, file: str) -> RawRows:
    import pyarrow as pa

    number = 0
    try:
        table = arrow_table(path)
        images = [field.name for field in table.schema if _holds_bytes(field.type)]
        floating = {field.name: field.type for field in table.schema if _has_numbers(field.type)}
        for batch in table.to_batches(max_chunksize=BATCH):
            plain = batch.drop_columns(images).to_pylist()
            for place, values in enumerate(plain or [{} for _ in range(batch.num_rows)]):
                for name, kind in floating.items():
                    if name not in images:
                        values[name] = _plain(values[name], kind)
                for name in images:
                    values[name] = _marked(refs_of(batch.column(name)[place].as_py(), file, number, name))
                yield Place(file, number), values
                number += 1
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise UserError(f"not a readable Arrow file: {str(error).splitlines()[0]}", where=str(path)) from error
    except ValueError as error:
        raise UserError(str(error), where=f"{path}, row {number}") from None


def _holds_bytes(kind: Any) -> bool:
    """Whether values of this Arrow type, or inside it, are bytes: a picture as `datasets` keeps it."""
    import pyarrow as pa

    inside = [kind.field(place).type for place in range(kind.num_fields)]
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind)) or any(map(_holds_bytes, inside))


def parquet_columns(path: Path) -> list[str]:
    """The names of a Parquet file's columns. Raises UserError for a file that is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.ParquetFile(path).schema_arrow.names)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise UserError(f"not a readable Parquet file: {str(error).splitlines()[0]}", where=str(path)) from error


def _is_text(table: Any, name: str) -> bool:
    """Whether a column of bytes holds text that its writer did not mark as such: its first cell is UTF-8."""
    import pyarrow as pa

    kind = table.schema_arrow.field(name).type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return False
    cells = (cell.as_py() for batch in table.iter_batches(batch_size=1, columns=[name]) for cell in batch.column(0))
    first = next((cell for cell in cells if cell), b"\0")
    try:
        return b"\0" not in first and bool(first.decode())
    except UnicodeDecodeError:
        return False


def _decoded(value: bytes | None, name: str) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"key {name!r} is not UTF-8 text (byte {error.start})") from None


def _marked(value: object) -> object:
    if isinstance(value, list):
        return [Ref(part) for part in value]
    return Ref(value) if isinstance(value, str) else value


def _has_numbers(kind: Any) -> bool:
    """Whether values of this Arrow type, or inside it, are floating or decimal numbers."""
    import pyarrow as pa

    inside = any(_has_numbers(kind.field(place).type) for place in range(kind.num_fields))
    return bool(pa.types.is_floating(kind) or pa.types.is_decimal(kind) or inside)


def _plain(value: Any, kind: Any) -> Any:
    """The value of that Arrow type with its numbers made plain."""
    import numpy as np
    import pyarrow as pa

    if value is None:
        return None
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return _number(float(str(np.float32(value) if pa.types.is_float32(kind) else np.float16(value))))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _number(value)
    if isinstance(value, list) and not pa.types.is_map(kind):
        return [_plain(part, kind.value_type) for part in value]
    if isinstance(value, dict):
        return {field.name: _plain(value.get(field.name), field.type) for field in kind}
    return value


def _number(value: float | Decimal) -> int | float | Decimal | None:
    """A whole number where it is one, None for NaN. Raises ValueError for infinity, which no data means."""
    if value != value:
        return None
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is infinite")
    whole = int(value)
    return whole if abs(whole) < LARGEST_WHOLE and value == whole else value


def plain(value: object) -> object:
    """The value with every number in it made plain. Raises ValueError for infinity and half of a surrogate pair."""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str) and _SURROGATE.search(value):
        raise ValueError("half of a surrogate pair is no character")
    if isinstance(value, dict):
        return {plain(key): plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


# -- JSON --------------------------------------------------------------------------------------------------------------


def json_lines(path: Path, file: str) -> RawRows:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    where = f"{path}, line {number}"
                    yield Place(file, number, "line"), _mapping(parse(line, where), where)
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text (byte {error.start})", where=str(path), fix="save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None


def read_json(path: Path) -> object:
    """What a JSON file holds. Raises UserError naming the file."""
    return parse(read_text(path), str(path))


def keyed_records(path: Path, folder: Path) -> RawRows:
    """The records of a JSON object, which some authors publish instead of a list; rows are told by their keys."""
    whole, file = read_json(path), path.relative_to(folder).as_posix()
    if not isinstance(whole, dict):
        raise UserError(f"a {type(whole).__name__}, expected an object of records", where=str(path))
    for key, row in whole.items():
        yield Place(file, key, "record"), _mapping(row, f"{path}, record {key!r}")


def listed_records(path: Path, folder: Path, key: str) -> RawRows:
    """The records that stand as a list below one key of a JSON object."""
    whole, file = read_json(path), path.relative_to(folder).as_posix()
    rows = whole.get(key) if isinstance(whole, dict) else None
    if not isinstance(rows, list):
        raise UserError(f"there is no list of records below {key!r}", where=str(path))
    for number, row in enumerate(rows):
        yield Place(file, number, f"{key}, row"), _mapping(row, f"{path}, key {key!r}, row {number}")


def _json_rows(path: Path, file: str) -> RawRows:
    """A JSON list; or JSON lines under the name `.json`, as FIUBench and POPE have been published."""
    text = read_text(path)
    try:
        whole = parse(text, str(path))
    except UserError:
        first, _, rest = text.lstrip().partition("\n")
        if not (first.startswith("{") and first.rstrip().endswith("}") and rest.strip()):
            raise
        yield from json_lines(path, file)
        return
    if isinstance(whole, dict):
        _check_row(whole, path)
    rows = whole if isinstance(whole, list) else [whole]
    for number, row in enumerate(rows):
        yield Place(file, number), _mapping(row, f"{path}, row {number}")


def _check_row(whole: Mapping[str, Any], path: Path) -> None:
    """Raise UserError for an object that is no row but holds the rows."""
    if len(whole) > 1 and all(isinstance(value, dict) for value in whole.values()):
        raise UserError(f"an object of {len(whole)} records, expected a list", where=str(path), fix="[{…}, {…}]")
    for key in _LISTED:
        rows = whole.get(key)
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            raise UserError(
                f"an object with {len(rows)} records below {key!r}, expected a list", where=str(path), fix="[{…}, {…}]"
            )


def parse(text: str, where: str) -> Any:
    """JSON with plain numbers. Raises UserError for what is none, and for half of a surrogate pair in a text."""
    try:
        value = json.loads(text, parse_float=lambda digits: _number(float(digits)), parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise UserError(f"not JSON: {error}", where=where) from None
    except RecursionError:
        raise UserError("not JSON that can be read: it is nested too deeply", where=where) from None
    except ValueError as error:
        digits = "a whole number has more than 4,300 digits" if "digits" in str(error) else str(error)
        raise UserError(f"not JSON that can be read: {digits}", where=where) from None
    if "\\ud" in text.lower():
        _check_characters(value, where)
    return value


def _constant(name: str) -> None:
    if name != "NaN":
        raise ValueError(f"{name} is no number")


def _check_characters(value: object, where: str) -> None:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        place = f"{where}, key {key!r}" if isinstance(value, dict) else f"{where}, row {key}"
        _check_characters(part, place)
        _check_characters(key, place)
    if isinstance(value, str) and _SURROGATE.search(value):
        raise UserError("half of a surrogate pair is no character", where=where)


def read_text(path: Path) -> str:
    """The text of a UTF-8 file. Raises UserError naming the file."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text (byte {error.start})", where=str(path), fix="save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None


def _mapping(row: object, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise UserError(f"a row is a {type(row).__name__}, expected keys and values", where=where)
    return row


# -- tabs and commas ---------------------------------------------------------------------------------------------------


def _separated_rows(path: Path, file: str) -> RawRows:
    rows = separated(path)
    columns = [str(name) for name in rows.columns]
    for number, cells in enumerate(rows.itertuples(index=False, name=None)):
        yield Place(file, number), dict(zip(columns, cells, strict=True))
