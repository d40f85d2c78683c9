"""`items.parquet`: one row per item, what was asked, what was answered, and what that is worth."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, Json, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from smllmun_bench.errors import UserError
from smllmun_bench.metrics.states import State
from smllmun_bench.results.manifest import Name, Share
from smllmun_bench.results.parquet import read_rows, write_table
from smllmun_bench.schema import Item, Kind, Modality, Prediction, Role, Score
from smllmun_bench.scoring.columns import NOT_GENERATED

NEEDED = (
    *("item_id", "entity_id", "role", "modality", "kind", "question", "answer"),
    *("text", "state", "headline", "values"),
)


def _known_state(state: str) -> str:
    if state not in (*State, NOT_GENERATED):
        raise ValueError(f"no state of an answer: {state!r}")
    return state


class _Row(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")  # type: ignore[misc]

    item_id: Name
    entity_id: str
    role: Annotated[Role, Field(strict=False)]
    modality: Annotated[Modality, Field(strict=False)]
    kind: Annotated[Kind, Field(strict=False)]
    question: str
    answer: str
    text: str
    finish_reason: NotRequired[str]  # files of older versions
    state: Annotated[str, AfterValidator(_known_state)]
    headline: Share
    values: Json[dict[str, float]]


_ROWS = TypeAdapter(list[_Row])


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
    """The rows of `write_scored_items`, `values` as a mapping again. Raises UserError naming row and column."""
    found = read_rows(path, NEEDED)
    if not found:
        raise UserError("the file holds no item", where=str(path))
    try:
        rows = _ROWS.validate_python(found)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        row, column = fault["loc"][:2]
        place = f"{path}, row {int(row) + 1}, column {column!r}"
        raise UserError(fault["msg"].removeprefix("Value error, "), where=place) from None
    return [{"finish_reason": "stop", **row} for row in rows]


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
