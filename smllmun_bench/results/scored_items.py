"""`items.parquet`: one row per item, what was asked, what was answered, and what that is worth."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smllmun_bench.errors import UserError
from smllmun_bench.results.parquet import read_rows, write_table
from smllmun_bench.schema import Item, Kind, Modality, Prediction, Role, Score

NEEDED = (
    *("item_id", "entity_id", "role", "modality", "kind", "question", "answer"),
    *("text", "state", "headline", "values"),
)


def write_scored_items(
    path: Path, items: Sequence[Item], predictions: Sequence[Prediction], scores: Sequence[Score]
) -> None:
    """One row per item: what was asked, what was answered, and what that is worth."""
    import pyarrow as pa

    by_id = {prediction.item_id: prediction for prediction in predictions}
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
                "text": by_id[item.item_id].text,
                "finish_reason": by_id[item.item_id].finish_reason,
                "state": score.state,
                "headline": score.headline,
                "values": json.dumps(score.values, sort_keys=True),
            }
        )
    write_table(path, pa.Table.from_pylist(rows))


def read_scored_items(path: Path) -> list[dict[str, Any]]:
    """The rows of `write_scored_items`, `values` as a mapping again."""
    rows = read_rows(path, NEEDED)
    for number, row in enumerate(rows, 1):
        try:
            row["values"] = json.loads(row["values"])
        except (TypeError, ValueError):
            raise UserError(
                f"{row['values']!r} is no JSON object", where=f"{path}, row {number}, column 'values'"
            ) from None
    return rows


def score_of(row: Mapping[str, Any]) -> Score:
    """What `write_scored_items` was given for a row of `read_scored_items`, to the last bit."""
    return Score(
        item_id=row["item_id"],
        entity_id=row["entity_id"],
        role=Role(row["role"]),
        modality=Modality(row["modality"]),
        kind=Kind(row["kind"]),
        state=row["state"],
        headline=row["headline"],
        values=row["values"],
    )
