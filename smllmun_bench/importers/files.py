"""JSON from other tools: whatever is not as its tool writes it is an error that names file, row and key."""

import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smllmun_bench.errors import UserError, nearest

_MOST = 10**100  # beyond, nothing was measured, and sums overflow
Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: in a file, and there in a row (or an item's index) and a key, as far as they apply."""

    path: Path
    key: str = ""
    row: str = ""

    def __str__(self) -> str:
        row = f", row {self.row}" if self.row else ""
        return f"{self.path}{row}" + (f", key {self.key!r}" if self.key else "")

    def at(self, key: str = "", row: str | int = "") -> "Place":
        """A place further in."""
        return Place(
            self.path, f"{self.key}.{key}".strip(".") if key else self.key, str(row) if row != "" else self.row
        )

    def fault(self, what: str, fix: str = "") -> UserError:
        return UserError(what, where=str(self), fix=fix)


def read_object(path: Path) -> Object:
    """The JSON object in a file. Raises UserError."""
    return as_object(_parsed(_text(path), Place(path)), Place(path))


def read_lines(path: Path) -> Iterator[tuple[int, Object]]:
    """(row, object) of every line that is not empty; rows are counted as lines of the file. Raises UserError."""
    found = False
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        place = Place(path, row=str(number))
        found = True
        yield number, as_object(_parsed(line, place), place)
    if not found:
        raise UserError("the file holds no sample", where=str(path))


def _parsed(text: str, place: Place) -> object:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        line = "" if place.row else f"line {error.lineno}, "
        raise place.fault(f"not JSON: {error.msg} ({line}column {error.colno})") from None
    except RecursionError:
        raise place.fault("nested too deeply", "no log of an evaluation has so many levels") from None
    except ValueError:  # the limit of int() on text
        raise place.fault(f"a number of more than {sys.get_int_max_str_digits():,} digits") from None
    if "\\ud" in text.casefold():
        _refuse_halves(value, place)
    return value


def _refuse_halves(value: object, place: Place) -> None:
    """Text with half of a surrogate pair can be neither printed nor saved."""
    rest = [(value, place)]
    while rest:
        one, where = rest.pop()
        if isinstance(one, str) and any("\ud800" <= character <= "\udfff" for character in one):
            raise where.fault("half of a surrogate pair stands in the text", "write the file as UTF-8 again")
        if isinstance(one, dict):
            rest += [(key, where) for key in one]
            rest += [(inner, where.at(ascii(key)[1:-1])) for key, inner in one.items()]
        elif isinstance(one, list):
            rest += [(inner, where.at(str(number))) for number, inner in enumerate(one)]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError("there is no such file", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text (byte {error.start})", where=str(path)) from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None


def as_object(value: object, place: Place) -> Object:
    if not isinstance(value, dict):
        raise place.fault(f"expected an object, found {_kind(value)}")
    return value


def need(value: Object, key: str, place: Place) -> Any:
    """The value of a key that has to be there; the error names the key that is spelled most like it."""
    if key not in value:
        close = nearest(key, value)
        raise place.at(key).fault("key is missing", f"this file has {close!r}" if close else "")
    return value[key]


def as_number(value: object, place: Place) -> float:
    """A finite number; NaN, infinity, true and text are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.fault(f"expected a number, found {_kind(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise place.fault(f"expected a number, found {value}", "the model or its evaluation broke there")
    if abs(value) > _MOST:
        raise place.fault("expected a number, found one of more than a hundred digits")
    return float(value)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "true or false", str: "text", list: "a list", dict: "an object", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)
