"""Saved predictions in either form: the Parquet of a run, or JSON lines from anywhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from smllmun_bench.config import FileFault, faults_error
from smllmun_bench.errors import UserError, nearest
from smllmun_bench.pipeline.records import read_predictions
from smllmun_bench.schema import Prediction

_SHOWN = 20  # faults in one message


@dataclass(frozen=True, config={"extra": "forbid", "strict": True, "allow_inf_nan": False})
class _Line:
    """One line, as `schema.Prediction`; `run_id` may be left out, since scoring does not read it."""

    item_id: str
    text: str
    run_id: str = ""
    finish_reason: Literal["stop", "length", "none"] = "stop"
    attack: str = "none"
    sample: int = 0
    answer_logprobs: tuple[float, ...] | None = None
    option_logprobs: tuple[float, ...] | None = None
    perturbed_logprobs: tuple[float, ...] | None = None
    latency_s: float = 0.0


_FIELDS = tuple(_Line.__dataclass_fields__)


def read_any_predictions(path: Path) -> list[Prediction]:
    """The predictions in a `.parquet` or `.jsonl` file. Raises UserError naming row and key of every fault."""
    if path.suffix == ".jsonl":
        return read_jsonl(path)
    if path.suffix == ".parquet":
        return read_predictions(path)
    raise UserError(f"cannot tell what {path.name!r} is", where=str(path), fix="a .parquet or a .jsonl file")


def read_jsonl(path: Path) -> list[Prediction]:
    """One JSON object per line; empty lines are passed over. Rows are counted as lines of the file."""
    reader = TypeAdapter(_Line)
    rows: list[Prediction] = []
    faults: list[FileFault] = []
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = reader.validate_json(line)
        except ValidationError as error:
            faults += _faults(error, f"{path}, row {number}")
            continue
        rows.append(Prediction(**{name: getattr(row, name) for name in _FIELDS}))
    if len(faults) > _SHOWN:
        faults[_SHOWN:] = [FileFault(f"and {len(faults) - _SHOWN} more", str(path))]
    if faults:
        raise faults_error(faults, str(path))
    if not rows:
        raise UserError("the file holds no prediction", where=str(path))
    return rows


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
        match detail["type"]:
            case "unexpected_keyword_argument":
                close = nearest(key, _FIELDS)
                found.append(FileFault("unknown key", place, repr(close) if close else "one of " + ", ".join(_FIELDS)))
            case "missing" | "missing_argument":
                found.append(FileFault("key is missing", place))
            case _:
                found.append(FileFault(detail["msg"][:1].lower() + detail["msg"][1:], place))
    return found
