"""The leaderboard in other forms than the screen's: JSON, and tables for Markdown, LaTeX (booktabs) and HTML.

In the tables the best method of each column is bold, ± is the wider side of the 95 % interval, and the signs behind
names are those of `report.leaderboard.caveats`.
"""

import html
import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from itertools import groupby

from smllmun_bench.metrics.statistics import Interval
from smllmun_bench.report.leaderboard import LeaderboardRow, RowKind, marked, rank, table_key, table_title, to_csv
from smllmun_bench.report.table import MISSING, SCORE_COLUMNS
from smllmun_bench.schema import Direction
from smllmun_bench.scoring.columns import Column

Intervals = Mapping[str, Mapping[str, Interval]]
"""Run id of a row -> column -> its interval."""

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"$\sim$", "≈": r"$\approx$", "†": r"$\dagger$", "^": r"\textasciicircum{}", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$", "±": r"$\pm$", "·": r"$\cdot$", "–": "--", "−": "--",
}  # fmt: skip
_MARKDOWN = {sign: f"\\{sign}" for sign in "\\`*_[]<>|~#"}
_ARROWS = {Direction.UP: " ↑", Direction.DOWN: " ↓", Direction.NONE: ""}


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MD = "md"
    LATEX = "latex"
    HTML = "html"


def formatted(rows: Sequence[LeaderboardRow], form: Format, intervals: Intervals) -> str:
    """All rows in a form that is not the screen's, a table for each comparison. Ends with a line feed."""
    ranked = rank(rows)
    if form is Format.CSV:
        return to_csv(ranked).replace("\r\n", "\n")  # what is printed has carriage returns written out
    if form is Format.JSON:
        return json.dumps([_record(row, intervals) for row in ranked], indent=1, ensure_ascii=False) + "\n"
    tables = [list(group) for _, group in groupby(ranked, key=table_key)]
    return "\n".join(_WRITERS[form](table, intervals) for table in tables)


def _record(row: LeaderboardRow, intervals: Intervals) -> dict[str, object]:
    """Every column, then the ends of each interval that is known, as `COLUMN_low` and `COLUMN_high`."""
    ends: dict[str, object] = {}
    for column, found in intervals.get(row.run_id or "", {}).items():
        ends |= {f"{column}_low": found.low, f"{column}_high": found.high}
    return {**row.model_dump(mode="json"), **ends}


def _cells(rows: Sequence[LeaderboardRow], column: Column, intervals: Intervals) -> list[tuple[str, bool]]:
    """Of each row the figure with its margin, and whether no other method is better."""
    values: list[float | None] = [getattr(row, column.name) for row in rows]
    ranked = [v for row, v in zip(rows, values, strict=True) if v is not None and row.kind is not RowKind.REFERENCE]
    best = (min if column.direction is Direction.DOWN else max)(ranked, default=None)
    return [
        (
            _figure(value, _interval(row, column.name, intervals), column.missing),
            value is not None and value == best and row.kind is not RowKind.REFERENCE,
        )
        for row, value in zip(rows, values, strict=True)
    ]


def _interval(row: LeaderboardRow, column: str, intervals: Intervals) -> Interval | None:
    found = intervals.get(row.run_id or "", {}).get(column)
    if found is None and column == "overall" and row.overall_low is not None and row.overall_high is not None:
        return Interval(row.overall_low, row.overall_high)
    return found


def _figure(value: float | None, ends: Interval | None, missing: str) -> str:
    if value is None:
        return missing
    margin = "" if ends is None else f" ± {max(ends.high - value, value - ends.low):.3f}"
    return f"{value:.3f}{margin}"


def _grid(rows: Sequence[LeaderboardRow], intervals: Intervals) -> tuple[list[str], list[list[tuple[str, bool]]]]:
    headings = ["", "method", *(_heading(column) for column in SCORE_COLUMNS), "fidelity"]
    figures = [_cells(rows, column, intervals) for column in SCORE_COLUMNS]
    lines = [
        [
            (str(row.rank or MISSING), False),
            (marked(row), False),
            *(cells[number] for cells in figures),
            (row.fidelity or row.kind, False),
        ]
        for number, row in enumerate(rows)
    ]
    return headings, lines


def _heading(column: Column) -> str:
    return column.heading.replace("-\n", "").replace("\n", " ") + _ARROWS[column.direction]


def _escaped(text: str, signs: Mapping[str, str]) -> str:
    return "".join(signs.get(sign, sign) for sign in " ".join(text.split()))


def _markdown(rows: Sequence[LeaderboardRow], intervals: Intervals) -> str:
    headings, lines = _grid(rows, intervals)

    def row(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |\n"

    def shown(text: str, best: bool) -> str:
        return f"**{_escaped(text, _MARKDOWN)}**" if best else _escaped(text, _MARKDOWN)

    rule = row(["--:", ":--", *["--:"] * len(SCORE_COLUMNS), ":--"])
    body = "".join(row([shown(*cell) for cell in line]) for line in lines)
    return f"**{_escaped(table_title(rows[0]), _MARKDOWN)}**\n\n{row(headings)}{rule}{body}"


def _latex(rows: Sequence[LeaderboardRow], intervals: Intervals) -> str:
    headings, lines = _grid(rows, intervals)

    def row(cells: Sequence[str]) -> str:
        return " & ".join(cells) + r" \\" + "\n"

    def shown(text: str, best: bool) -> str:
        return rf"\textbf{{{_escaped(text, _LATEX)}}}" if best else _escaped(text, _LATEX)

    head = row([_escaped(heading, _LATEX) for heading in headings])
    body = "".join(row([shown(*cell) for cell in line]) for line in lines)
    return (
        f"% {' '.join(table_title(rows[0]).split())}; needs \\usepackage{{booktabs}}\n"
        f"\\begin{{tabular}}{{rl{'r' * len(SCORE_COLUMNS)}l}}\n\\toprule\n{head}\\midrule\n{body}"
        "\\bottomrule\n\\end{tabular}\n"
    )


def _html(rows: Sequence[LeaderboardRow], intervals: Intervals) -> str:
    headings, lines = _grid(rows, intervals)
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)

    def cell(text: str, best: bool) -> str:
        return f"<td><b>{html.escape(text)}</b></td>" if best else f"<td>{html.escape(text)}</td>"

    body = "".join(f"<tr>{''.join(cell(*found) for found in line)}</tr>\n" for line in lines)
    caption = html.escape(table_title(rows[0]))
    return f"<table>\n<caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


_WRITERS: Mapping[Format, Callable[[Sequence[LeaderboardRow], Intervals], str]] = {
    Format.MD: _markdown,
    Format.LATEX: _latex,
    Format.HTML: _html,
}
