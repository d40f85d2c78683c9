"""Tables that more than one command prints."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from smllmun_bench.report.console import plain
from smllmun_bench.report.leaderboard import marked
from smllmun_bench.report.table import (
    ANSWER_COLUMNS,
    MISSING,
    SCORE_COLUMNS,
    Figure,
    ScoreRow,
    add_score_columns,
    figure_text,
    new_table,
    score_table,
)

if TYPE_CHECKING:
    from rich.table import Table

    from smllmun_bench.results.leaderboard import Standing


def standings_table(rows: Iterable["Standing"], title: str) -> "Table":
    """References and methods with their scores and intervals."""
    return score_table([_score_row(standing) for standing in rows], title=title)


def answers_table(rows: Iterable["Standing"]) -> "Table":
    """What the answers were: refusals where they are wanted, refusals where they are not, and broken ones."""
    table = new_table("answers")
    table.add_column("", overflow="fold", max_width=28)
    add_score_columns(table, ANSWER_COLUMNS)
    for standing in rows:
        table.add_row(
            plain(standing.row.method), *(figure_text(getattr(standing.row, column.name)) for column in ANSWER_COLUMNS)
        )
    return table


def mask_lines(standing: "Standing") -> list[str]:
    """For a method that masks one update by another: does the anchor say anything, or is the mask random?"""
    figures = standing.figures
    prefixes = [name.removesuffix("masked_null") for name in figures if name.endswith("masked_null")]
    return [
        f"{standing.row.method} mask{f' ({prefix[:-1]})' if prefix else ''}: "
        f"correlation {figures[prefix + 'correlation']:+.3f}, "
        f"conflict rate {figures[prefix + 'conflict_rate']:.3f} (random 0.500), "
        f"masked {figures[prefix + 'masked']:.4f} (random {figures[prefix + 'masked_null']:.4f})"
        for prefix in prefixes
    ]


def lines_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> "Table":
    """A plain table; None is a dash."""
    table = new_table(title)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(plain(MISSING if cell is None else cell) for cell in row))
    return table


def _score_row(standing: "Standing") -> ScoreRow:
    figures: dict[str, Figure | float | None] = {}
    for column in SCORE_COLUMNS:
        value, interval = getattr(standing.row, column.name), standing.intervals.get(column.name)
        figures[column.name] = Figure(value, interval.low, interval.high) if interval else Figure(value)
    return ScoreRow(marked(standing.row), figures)
