"""The leaderboard: its rows, its CSV, its order, its tables. Each column is explained in docs/leaderboard.md."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, StringConstraints, ValidationError

from smllmun_bench.config import FileFault, faults_error
from smllmun_bench.errors import UserError, check_separator, nearest
from smllmun_bench.report.console import plain
from smllmun_bench.report.table import MISSING, SCORE_COLUMNS, Figure, FittedTable, add_score_columns, figure_text
from smllmun_bench.schema import Fidelity
from smllmun_bench.scoring import columns
from smllmun_bench.scoring.significance import Noise
from smllmun_bench.scoring.vectors import ColumnFields

Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, StringConstraints(min_length=1)]
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
GATE_OPEN = "ok"
ABOVE, TARGET, STAMP = "~", "\u2248", " (test)"
SUPPRESSION = "\u2020"
UNTUNED, UNTUNED_SIGN = "untuned", "\u2021"
NO_LANGUAGE = "language: n/a, for the task does not ask about it"
# How a spreadsheet knows a formula, in half and full width, behind whatever it skips; a lone tab or return is enough.
_FORMULA = re.compile(
    "[\t\r]|[\\s\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*"
    "[=+@\uff1d\uff0b\uff0d\uff20-]"
)


class RowKind(StrEnum):
    """What stands in a row: a model to compare with, or a method that changes weights or only answers."""

    REFERENCE = "reference"
    WEIGHTS = "weights"
    TEST_TIME = "test-time"


class LeaderboardRow(ColumnFields):
    """One method on one model and task: the columns of `scoring.columns`, and what follows; None is an empty cell."""

    rank: PositiveInt | None = None
    method: Name
    fidelity: Fidelity | None = None
    model: Name
    task: Name
    forget_ratio: Share
    seeds: PositiveInt
    fit_seconds: NonNegativeFloat | None = None
    peak_memory_mb: NonNegativeFloat | None = None
    trainable_params: NonNegativeInt | None = None
    run_id: Name | None = None
    version: Name
    overall_low: float | None = None
    overall_high: float | None = None
    config: Name | None = None
    kind: RowKind
    gate: Name | None = None
    within_noise: Noise | None = None
    p_above: Share | None = None
    p_target: Share | None = None
    detectable: NonNegativeFloat | None = None
    selected_on: Name | None = None
    forwards: NonNegativeFloat | None = None
    backwards: NonNegativeFloat | None = None
    peak_device_mb: NonNegativeFloat | None = None
    extra_params: NonNegativeFloat | None = None
    inference_overhead: float | None = None
    precision: Name | None = None
    settings: Name | None = None


def _layout() -> tuple[str, ...]:
    names: list[str] = []
    for field in LeaderboardRow.model_fields:
        if field not in ColumnFields.model_fields:
            names += [field, *(column.name for column in columns.COLUMNS if column.csv_after == field)]
    return tuple(names)


COLUMNS = _layout()  # of the CSV, in this order
OLDEST = COLUMNS.index("inference_overhead") + 1  # so many have all files; older ones lack some of the last


def rank(rows: Iterable[LeaderboardRow]) -> tuple[LeaderboardRow, ...]:
    """The rows in order, with their ranks.

    Rows compare within one task, forget ratio, model and precision: by overall, highest first; those without overall
    come last and have no rank. References stand where their score puts them, without a rank. Equal scores share a rank
    (1, 1, 3).
    """
    ordered = sorted(rows, key=sort_key)
    return tuple(ranked for _, group in groupby(ordered, key=table_key) for ranked in _ranked(list(group)))


def sort_key(row: LeaderboardRow) -> tuple[object, ...]:
    """Where `rank` puts a row."""
    return table_key(row), *_order(row)


def table_key(row: LeaderboardRow) -> tuple[str, float, str, str]:
    """Rows with an equal one stand in one table and compare."""
    return row.task, row.forget_ratio, row.model, row.precision or ""


def to_csv(rows: Iterable[LeaderboardRow]) -> str:
    """RFC 4180 text (CRLF, quotes where needed): equal rows give equal bytes.

    Floats are written shortest, so they come back exactly. Text that a spreadsheet would run as a formula is
    protected by a leading apostrophe, which `from_csv` takes off again.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = row.model_dump(mode="json")
        writer.writerow([_cell(cells[column]) for column in COLUMNS])
    return stream.getvalue()


def read_csv(path: Path) -> tuple[LeaderboardRow, ...]:
    """The rows of a leaderboard file. Raises UserError naming every fault with file, row and column."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text (byte {error.start})", where=str(path)) from None
    return from_csv(text, source=str(path))


def from_csv(text: str, *, source: str) -> tuple[LeaderboardRow, ...]:
    """The rows in CSV text; `source` names it in errors."""
    check_separator(text.partition("\n")[0], ",", where=f"{source}, line 1")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[LeaderboardRow] = []
    faults: list[FileFault] = []
    try:
        header = next(reader, [])
        _check_header(header, source)
        for number, cells in enumerate(reader, 1):
            row = _row(cells, header, f"{source}, row {number} (line {reader.line_num})")
            if isinstance(row, LeaderboardRow):
                rows.append(row)
            else:
                faults += row
    except csv.Error as error:
        raise UserError(f"not CSV: {error}", where=f"{source}, line {reader.line_num}") from None
    if faults:
        raise faults_error(faults, source)
    return tuple(rows)


def leaderboard_tables(rows: Iterable[LeaderboardRow]) -> list[FittedTable]:
    """One table per task, forget ratio, model and precision, ranked."""
    return [_table(list(group)) for _, group in groupby(rank(rows), key=table_key)]


def caveats(rows: Iterable[LeaderboardRow]) -> list[str]:
    """What has to be said below the table of these rows: the gate's verdicts, noise, power, settings chosen on test."""
    listed = list(rows)
    methods = [row for row in listed if row.kind is not RowKind.REFERENCE]
    lines = [f"GATE {line}" for line in gate_lines(listed)]
    for noise, what in (
        (Noise.ABOVE, f"{ABOVE} overall within noise of the row above"),
        (Noise.TARGET, f"{TARGET} forgetting within noise of the untouched target"),
    ):
        named = [row.method for row in methods if noise in _noises(row)]
        lines += [f"{what}: {', '.join(named)} (paired, Holm, 5 %)"] if named else []
    if held := [row.method for row in methods if row.kind is RowKind.TEST_TIME]:
        lines.append(f"{SUPPRESSION} suppression, weights unchanged: {', '.join(held)}")
    if untuned := [row.method for row in methods if row.selected_on == UNTUNED]:
        lines.append(
            f"{UNTUNED_SIGN} untuned: {', '.join(untuned)}. Without a recipe for this model, settings are defaults; "
            "`smllmun-bench tune` chooses them on validation people."
        )
    detectable = [row.detectable for row in methods if row.detectable is not None]
    if detectable:
        lines.append(
            f"Power: forgetting that differs from the target's by less than {max(detectable):.2f} would be missed in "
            "one comparison of five or more."
        )
    if any(row.p_target is not None and row.detectable is None for row in methods):
        lines.append("Power: with so few forgotten people, no test of so many methods can tell forgetting from none.")
    if stamped := [row.method for row in methods if row.selected_on == "test"]:
        lines.append(f"Settings chosen on the reported people: {', '.join(stamped)}. Their scores are too good.")
    return lines


def gate_lines(rows: Iterable[LeaderboardRow]) -> list[str]:
    """One line per table whose gate is shut: why its rows mean nothing. Empty: all is well."""
    shut = {(*table_key(row), row.gate): row for row in rows if row.gate not in (None, GATE_OPEN)}
    return [
        f"{row.gate}: {row.task}, forget {row.forget_ratio * 100:.3g} %, {row.model}" for _, row in sorted(shut.items())
    ]


def _noises(row: LeaderboardRow) -> tuple[Noise, ...]:
    return (Noise.ABOVE, Noise.TARGET) if row.within_noise is Noise.BOTH else (row.within_noise or Noise.NONE,)


def marked(row: LeaderboardRow) -> str:
    """The method's name with the signs that `caveats` explains."""
    signs = {Noise.ABOVE: ABOVE, Noise.TARGET: TARGET}
    signed = SUPPRESSION * (row.kind is RowKind.TEST_TIME) + UNTUNED_SIGN * (row.selected_on == UNTUNED)
    signed += "".join(signs.get(noise, "") for noise in _noises(row))
    return f"{row.method} {signed}".strip() + (STAMP if row.selected_on == "test" else "")


def table_title(row: LeaderboardRow) -> str:
    """What all rows of the table of this one have in common."""
    marks = [row.task, f"forget {row.forget_ratio * 100:.3g} %", row.model]
    return " · ".join([*marks, f"answers in {row.precision}"] if row.precision else marks)


def _table(rows: Sequence[LeaderboardRow]) -> FittedTable:
    table = FittedTable(table_title(rows[0]))
    table.add_column("", right=True, keep=True)
    table.add_column("method", keep=True)
    add_score_columns(table)
    table.add_column("fidelity", whole=False)
    if all(row.language is None for row in rows):
        table.caption = NO_LANGUAGE
    for row in rows:
        figures = {column.name: Figure(getattr(row, column.name)) for column in SCORE_COLUMNS}
        figures["overall"] = Figure(row.overall, row.overall_low, row.overall_high)
        table.add_row(
            str(row.rank or MISSING),
            plain(marked(row), style="italic" if row.kind is RowKind.REFERENCE else ""),
            *(figure_text(figures[column.name], column.missing) for column in SCORE_COLUMNS),
            row.fidelity or row.kind,
        )
    return table


# --- order -------------------------------------------------------------------------------------------------------


def _order(row: LeaderboardRow) -> tuple[bool, float, str, str, str]:
    """Highest overall first, undefined last; then names, so that the order never depends on the input's."""
    return row.overall is None, -(row.overall or 0.0), row.method, row.config or "", row.run_id or ""


def _ranked(rows: Sequence[LeaderboardRow]) -> Iterator[LeaderboardRow]:
    scores = [row.overall for row in rows if row.kind is not RowKind.REFERENCE and row.overall is not None]
    for row in rows:
        overall = None if row.kind is RowKind.REFERENCE else row.overall
        yield row.model_copy(update={"rank": None if overall is None else scores.index(overall) + 1})


# --- cells -------------------------------------------------------------------------------------------------------


def _cell(value: str | int | float | None) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return repr(value)
    return f"'{value}" if _protected(value) else value


def _protected(text: str) -> bool:
    # A text that begins with an apostrophe gets one too, or the reader could not tell it from a protected one.
    return (text.startswith("'") or _FORMULA.match(text) is not None) and not _NUMBER.fullmatch(text)


def _value(cell: str) -> str | None:
    if cell.startswith("'") and _protected(cell[1:]):
        return cell[1:]
    return cell or None


def _check_header(header: Sequence[str], source: str) -> None:
    if len(header) >= OLDEST and tuple(header) == COLUMNS[: len(header)]:
        return
    where = f"{source}, line 1"
    if not header:
        raise UserError("the file is empty", where=where)
    faults = [FileFault("column is missing", f"{where}, column {name!r}") for name in COLUMNS if name not in header]
    for name in header:
        if name not in COLUMNS:
            close = nearest(name, COLUMNS)
            faults.append(FileFault("unknown column", f"{where}, column {name!r}", repr(close) if close else ""))
    repeated = sorted({name for name in header if header.count(name) > 1})
    faults += [FileFault("column stands twice", f"{where}, column {name!r}") for name in repeated]
    raise faults_error(faults or [FileFault("columns out of order", where, ",".join(COLUMNS))], source)


def _row(cells: Sequence[str], header: Sequence[str], where: str) -> LeaderboardRow | list[FileFault]:
    if len(cells) != len(header):
        return [FileFault(f"{len(cells)} cells, expected {len(header)}", where)]
    try:
        return LeaderboardRow.model_validate(dict(zip(header, map(_value, cells), strict=True)))
    except ValidationError as error:
        return [
            FileFault(
                f"{detail['msg'].lower()} (found {detail['input'] or ''!r})", f"{where}, column {detail['loc'][0]!r}"
            )
            for detail in error.errors(include_url=False)
        ]
