"""Predictions and scored items as Parquet files. The columns are the fields of the records in `schema`."""

import json
from collections.abc import Sequence
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from typing import Any

from smllmun_bench.errors import UserError
from smllmun_bench.schema import Item, Prediction, Score
from smllmun_bench.store.atomic import atomic_write

_LISTS = ("answer_logprobs", "option_logprobs", "perturbed_logprobs")


def write_predictions(path: Path, predictions: Sequence[Prediction]) -> None:
    import pyarrow as pa

    kinds = {"sample": pa.int64(), "latency_s": pa.float64()} | {name: pa.list_(pa.float64()) for name in _LISTS}
    schema = pa.schema([(field.name, kinds.get(field.name, pa.string())) for field in fields(Prediction)])
    columns = {name: [getattr(prediction, name) for prediction in predictions] for name in schema.names}
    _write(path, pa.table(columns, schema=schema))


def read_predictions(path: Path) -> list[Prediction]:
    """The predictions of one run, in file order. Raises UserError naming file, row and column."""
    names = [field.name for field in fields(Prediction)]
    rows = [{name: row[name] for name in names} for row in read_rows(path, names)]  # other columns are not ours
    for number, row in enumerate(rows, 1):
        for name in ("item_id", "run_id", "text"):
            if not isinstance(row[name], str):
                raise UserError(f"{name} is missing", where=f"{path}, row {number}, column {name!r}")
    return [Prediction(**row | {name: _tuple(row[name]) for name in _LISTS}) for row in rows]


def write_scored_items(
    path: Path, items: Sequence[Item], predictions: Sequence[Prediction], scores: Sequence[Score]
) -> None:
    """One row per item: what was asked, what was answered, and what that is worth."""
    import pyarrow as pa

    said = {prediction.item_id: prediction for prediction in predictions}
    rows: list[dict[str, Any]] = []
    for item, score in zip(items, scores, strict=True):
        rows.append(
            {
                "item_id": item.item_id,
                "entity_id": item.entity_id,
                "role": item.role.value,
                "modality": item.modality.value,
                "kind": item.kind.value,
                "question": item.question,
                "answer": item.answer,
                "text": said[item.item_id].text,
                "finish_reason": said[item.item_id].finish_reason,
                "state": score.state,
                "headline": score.headline,
                "values": json.dumps(score.values, sort_keys=True),
            }
        )
    _write(path, pa.Table.from_pylist(rows))


def read_scored_items(path: Path) -> list[dict[str, Any]]:
    """The rows of `write_scored_items`, `values` as a mapping again."""
    needed = [
        "item_id",
        "entity_id",
        "role",
        "modality",
        "kind",
        "question",
        "answer",
        "text",
        "state",
        "headline",
        "values",
    ]
    rows = read_rows(path, needed)
    for number, row in enumerate(rows, 1):
        try:
            row["values"] = json.loads(row["values"])
        except (TypeError, ValueError):
            raise UserError(
                f"{row['values']!r} is no JSON object", where=f"{path}, row {number}, column 'values'"
            ) from None
    return rows


def _write(path: Path, table: Any) -> None:
    import pyarrow.parquet as pq

    buffer = BytesIO()
    pq.write_table(table, buffer)
    atomic_write(path, buffer.getvalue())


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


def _tuple(values: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values)
