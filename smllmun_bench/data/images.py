"""Opens an image that stands in somebody's folder: as a file, or inside a row of a Parquet file. By reference.

A reference is text: `file:faces/7.png`, or `row:forget_5/train-0.parquet:12:image` (row 12, column `image`), with
`.n` behind the column where the column holds a list. Nothing is decoded before it is asked for.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image

from smllmun_bench.data.confined import contained, relative
from smllmun_bench.data.pixels import decode
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Item

_ROW = re.compile(r"row:(?P<file>[^:]+):(?P<row>\d+):(?P<column>[^:.]+)(?:\.(?P<place>\d+))?")
_GROUPS_KEPT = 2  # row groups of images in memory


def file_ref(path: str) -> str:
    return f"file:{path}"


def row_ref(file: str, row: int, column: str, place: int | None = None) -> str:
    """Colons, and dots of a column's name, are written as in an address, so that a reference can be taken apart."""
    at = f".{place}" if place is not None else ""
    return f"row:{_quoted(file, ':')}:{row}:{_quoted(column, ':.')}{at}"


def _quoted(name: str, marks: str) -> str:
    for mark in f"%{marks}":
        if mark in name:
            name = name.replace(mark, f"%{ord(mark):02X}")
    return name


class StoredImages:
    """Opens the references of one folder. Paths lead nowhere outside of it."""

    def __init__(self, folder: Path, image_folder: str = "") -> None:
        self._folder = folder
        self._images = folder / relative(image_folder, where="key 'image_folder'")
        self._group = lru_cache(_GROUPS_KEPT)(self._read_group)
        self._file = lru_cache(16)(_parquet)
        self._arrow = lru_cache(16)(arrow_table)
        self._column = lru_cache(1)(self._read_column)

    def __call__(self, ref: str) -> Image.Image:
        """The RGB image. Raises UserError, naming file, row and key, where there is none or it cannot be read."""
        data, where = self.data(ref)
        return decode(data, where)

    def has_file(self, ref: str) -> bool:
        """Whether a reference to a file leads to one of this folder."""
        try:
            return self._inside(ref.removeprefix("file:"), "image").is_file()
        except UserError:
            return False

    def data(self, ref: str) -> tuple[bytes, str]:
        """The bytes as they are stored, and where they stand."""
        if ref.startswith("file:"):
            path = self._inside(ref.removeprefix("file:"), "image")
            return _read(path), str(path)
        file, row, column, where, place = self._parts(ref)
        stored = self._cell(file, row, column, where)
        if place is not None:
            stored = stored[place] if isinstance(stored, list) and place < len(stored) else None
        return self._bytes(stored, where), where

    def _parts(self, ref: str) -> tuple[str, int, str, str, int | None]:
        """(file, row, column, where that is, place in the cell's list) of a reference to a row."""
        found = _ROW.fullmatch(ref)
        if found is None:
            raise UserError(f"there is no image {ref!r}", where=str(self._folder))
        file, column, row = unquote(found["file"]), unquote(found["column"]), int(found["row"])
        where = f"{self._folder / file}, row {row}, key {column!r}"
        return file, row, column, where, int(found["place"]) if found["place"] else None

    def stored_bytes(self, ref: str) -> bytes:
        """The bytes inside the row that `ref` names; nothing where the row has a path or nothing at all."""
        file, row, column, where, _ = self._parts(ref)
        stored = self._cell(file, row, column, where)
        found = stored.get("bytes") if isinstance(stored, Mapping) else stored
        return bytes(found) if isinstance(found, bytes) else b""

    def digest(self, files: Sequence[Path], items: Iterable[Item]) -> str:
        """SHA-256 over the bytes of the files and of the image files that items name, wherever the folder lies."""
        whole = hashlib.sha256()
        for path in files:
            with path.open("rb") as stream:
                whole.update(f"{path.name}\n".encode() + hashlib.file_digest(stream, "sha256").digest())
        for ref in dict.fromkeys(ref for item in items for ref in item.images if ref.startswith("file:")):
            whole.update(f"{ref}\n".encode() + hashlib.sha256(self.data(ref)[0]).digest())
        return whole.hexdigest()

    def _bytes(self, stored: object, where: str) -> bytes:
        if isinstance(stored, bytes):
            return stored
        if isinstance(stored, str):
            return _from_base64(stored, where)
        if isinstance(stored, Mapping):
            if stored.get("bytes"):
                return bytes(stored["bytes"])
            if stored.get("path"):
                return _read(self._inside(str(stored["path"]), where))
        raise UserError("the image is missing: neither bytes nor a path are stored", where=where)

    def _inside(self, name: str, where: str) -> Path:
        """The file of that name in the folder. Leading folders that were not copied along are dropped."""
        parts = relative(name, where=where, what="image path").parts
        path = self._images.joinpath(*parts)
        for start in range(1, len(parts)):
            if path.parent.is_dir():
                break
            path = self._images.joinpath(*parts[start:])
        if not path.is_file():
            raise UserError("there is no such image file", where=str(self._images.joinpath(*parts)))
        return contained(path, self._folder, where=where)

    def _cell(self, file: str, row: int, column: str, where: str) -> Any:
        if file.endswith(".arrow"):
            return self._arrow(self._inside_plain(file)).column(column)[row].as_py()
        if not file.endswith(".parquet"):
            cells = self._column(file, column)
            return cells[row] if row < len(cells) else None
        starts = self._starts(file)
        group = max((n for n, start in enumerate(starts) if start <= row), default=0)
        try:
            cells = self._group(file, group, column)
        except KeyError:
            raise UserError(f"column {column!r} is missing", where=where) from None
        if not 0 <= row - starts[group] < len(cells):
            raise UserError("there is no such row", where=where)
        return cells[row - starts[group]].as_py()

    def _starts(self, file: str) -> list[int]:
        meta = self._open(file).metadata
        starts = [0]
        for group in range(meta.num_row_groups - 1):
            starts.append(starts[-1] + meta.row_group(group).num_rows)
        return starts

    def _read_group(self, file: str, group: int, column: str) -> Any:
        table = self._open(file).read_row_group(group, columns=[column])
        return table.column(column)

    def _read_column(self, file: str, column: str) -> tuple[str, ...]:
        """The pictures of a text table, still in base64. A set of thousands is some hundred megabytes: one is kept."""
        from smllmun_bench.data.separated import separated

        return tuple(separated(self._inside_plain(file), usecols=[column])[column])

    def _open(self, file: str) -> Any:
        return self._file(self._inside_plain(file))

    def _inside_plain(self, file: str) -> Path:
        path = self._folder / relative(file, where=str(self._folder))
        if not path.is_file():
            raise UserError("there is no such file", where=str(path))
        return contained(path, self._folder)


def _from_base64(text: str, where: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise UserError(f"the image is no base64: {error}", where=where) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from error


def arrow_table(path: Path) -> Any:
    """An Arrow stream, mapped and not read: what `save_to_disk` of `datasets` writes."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_stream(source).read_all()


def _parquet(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path)


def image_columns(file: Any) -> dict[str, list[str]]:
    """Columns of a Parquet file that hold image bytes -> the leaves to read instead of the bytes.

    An empty list means that the bytes are all there is to the column.
    """
    names = sorted(file.schema_arrow.names, key=len, reverse=True)  # a column's own name may have a dot
    leaves: dict[str, list[str]] = {}
    binary: set[str] = set()
    for number in range(len(file.schema)):
        leaf = file.schema.column(number)
        top = next(name for name in names if leaf.path == name or leaf.path.startswith(f"{name}."))
        if leaf.physical_type == "BYTE_ARRAY" and leaf.logical_type.type not in ("STRING", "JSON", "ENUM"):
            binary.add(top)
            leaves.setdefault(top, [])
        else:
            leaves.setdefault(top, []).append(leaf.path)
    return {top: paths for top, paths in leaves.items() if top in binary}


def refs_of(value: object, file: str, row: int, column: str) -> object:
    """The cell of an image column as references: one, a list of them, or None where nothing is stored."""
    if value is None:
        return None
    if isinstance(value, list):
        return [row_ref(file, row, column, place) for place in range(len(value))]
    return row_ref(file, row, column)
