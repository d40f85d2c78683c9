"""Saved predictions in either form: Parquet or JSON lines, of a run of ours or from anywhere.

The columns are the fields of `schema.Prediction`. What a file holds beyond them is ignored, and that is said.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from smllmun_bench.config import FileFault, faults_error
from smllmun_bench.errors import UserError, nearest
from smllmun_bench.results.parquet import read_rows, write_table
from smllmun_bench.schema import Prediction

PREDICTIONS = "predictions.parquet"  # in a run folder, and in the store
_LISTS = ("answer_logprobs", "option_logprobs", "perturbed_logprobs")
Tell = Callable[[str], None]
_SHOWN = 20  # faults in one message
_FIELDS = tuple(field.name for field in fields(Prediction))


def write_predictions(path: Path, predictions: Sequence[Prediction]) -> None:
    import pyarrow as pa

    kinds = {"sample": pa.int64(), "latency_s": pa.float64()} | {name: pa.list_(pa.float64()) for name in _LISTS}
    schema = pa.schema([(field.name, kinds.get(field.name, pa.string())) for field in fields(Prediction)])
    columns = {name: [getattr(prediction, name) for prediction in predictions] for name in schema.names}
    write_table(path, pa.table(columns, schema=schema))


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=3)


def read_predictions(path: Path, *, tell: Tell = _warn) -> list[Prediction]:
    """The predictions in a `.parquet` or `.jsonl` file, in file order; rows are counted as lines of the file.

    Only `item_id` and `text` are needed. Keys that no prediction has are ignored, and `tell` hears their names.
    Raises UserError naming file, row and key of every fault.
    """
    if path.suffix == ".jsonl":
        return _read(path, _json_rows(path), tell)
    if path.suffix == ".parquet":
        return _read(path, _parquet_rows(path), tell)
    raise UserError(f"cannot tell what {path.name!r} is", where=str(path), fix="a .parquet or a .jsonl file")


def _line(*, nan: bool) -> type[BaseModel]:
    """A row as `schema.Prediction`; `run_id` may be left out, since scoring does not read it."""
    types = get_type_hints(Prediction) | {"finish_reason": Literal["stop", "length", "none"]}
    defaults = {field.name: ... if field.default is MISSING else field.default for field in fields(Prediction)}
    columns: dict[str, Any] = {name: (types[name], (defaults | {"run_id": ""})[name]) for name in _FIELDS}
    config = ConfigDict(frozen=True, extra="allow", strict=True, allow_inf_nan=nan)
    return create_model("Prediction", __config__=config, **columns)


# JSON has no NaN. A Parquet file may hold one: a broken model computes it, and scoring counts such answers.
_FROM_JSON, _FROM_PARQUET = _line(nan=False), _line(nan=True)
_Parsed = tuple[int, Callable[[], BaseModel]]


def _json_rows(path: Path) -> Iterator[_Parsed]:
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            yield number, partial(_FROM_JSON.model_validate_json, line)


def _parquet_rows(path: Path) -> Iterator[_Parsed]:
    for number, row in enumerate(read_rows(path, ("item_id", "text")), 1):
        # A null says that there is nothing, which is what a left-out key says in JSON.
        known = {
            name: tuple(cell) if isinstance(cell, list) else cell for name, cell in row.items() if cell is not None
        }
        yield number, partial(_FROM_PARQUET.model_validate, known)


def _read(path: Path, parsed: Iterable[_Parsed], tell: Tell) -> list[Prediction]:
    rows: list[Prediction] = []
    faults: list[FileFault] = []
    ignored: Counter[str] = Counter()
    for number, parse in parsed:
        try:
            row = parse()
        except ValidationError as error:
            faults += _faults(error, f"{path}, row {number}")
            continue
        ignored.update((row.model_extra or {}).keys())
        rows.append(Prediction(**{name: getattr(row, name) for name in _FIELDS}))
    if len(faults) > _SHOWN:
        faults[_SHOWN:] = [FileFault(f"and {len(faults) - _SHOWN} more", str(path))]
    if faults:
        raise faults_error(faults, str(path))
    if not rows:
        raise UserError("the file holds no prediction", where=str(path))
    if ignored:
        tell(_ignored(path, ignored, len(rows)))
    return rows


def _ignored(path: Path, counts: Counter[str], rows: int) -> str:
    named = []
    for name in sorted(counts):
        close = nearest(name, _FIELDS)
        hint = f"is it {close!r}?" if close else ""
        some = f"in {counts[name]} of {rows} rows" if counts[name] < rows else ""
        notes = "; ".join(note for note in (some, hint) if note)
        named.append(f"{name!r}" + (f" ({notes})" if notes else ""))
    return f"{path}: ignored, since no prediction has it: {', '.join(named)}"


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise UserError("there is no such file", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text (byte {error.start})", where=str(path)) from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None


def _faults(error: ValidationError, where: str) -> list[FileFault]:
    found = []
    for detail in error.errors(include_url=False):
        key = ".".join(map(str, detail["loc"]))
        place = f"{where}, key {key!r}" if key else where
        if detail["type"] == "missing":
            found.append(FileFault("key is missing", place))
        else:
            found.append(FileFault(detail["msg"][:1].lower() + detail["msg"][1:], place))
    return found
