"""Parquet files of plain rows, written whole and read with every fault named."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from smllmun_bench.errors import UserError
from smllmun_bench.store.atomic import atomic_write


def read_rows(path: Path, needed: Sequence[str]) -> list[dict[str, Any]]:
    """All rows and columns. Raises UserError for an unreadable file or one that lacks a needed column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:  # `read_table` would import pandas
            table = file.read()
    except FileNotFoundError:
        raise UserError("there is no such file", where=str(path)) from None
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"not a readable Parquet file: {str(error).splitlines()[0]}", where=str(path)) from None
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise UserError(f"column {missing[0]!r} is missing", where=str(path), fix="columns " + ", ".join(needed))
    return list(table.to_pylist())


def write_table(path: Path, table: Any) -> None:
    import pyarrow.parquet as pq

    buffer = BytesIO()
    pq.write_table(table, buffer)
    atomic_write(path, buffer.getvalue())
