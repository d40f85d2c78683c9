"""Parquet files of plain rows, written whole and read with every fault named."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from smllmun_bench.errors import UserError
from smllmun_bench.store.atomic import atomic_write

_DAMAGED = (OSError, ArithmeticError, LookupError, MemoryError, TypeError, ValueError, NotImplementedError)
"""What pyarrow raises for bytes that are not what they should be: its errors are of these kinds, or `ArrowException`s
that are."""


def read_rows(path: Path, needed: Sequence[str]) -> list[dict[str, Any]]:
    """All rows and columns. Raises UserError for an unreadable file or one that lacks a needed column."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:  # `read_table` would import pandas
            table = file.read()
    except FileNotFoundError:
        raise UserError("there is no such file", where=str(path)) from None
    except _DAMAGED as error:
        raise _unreadable(path, error) from None
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise UserError(f"column {missing[0]!r} is missing", where=str(path), fix="columns " + ", ".join(needed))
    try:
        return list(table.to_pylist())
    except _DAMAGED as error:  # text that is not UTF-8, a date beyond all calendars
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return UserError(f"not a readable Parquet file: {reason}", where=str(path))


def write_table(path: Path, table: Any) -> None:
    import pyarrow.parquet as pq

    buffer = BytesIO()
    pq.write_table(table, buffer)
    atomic_write(path, buffer.getvalue())
