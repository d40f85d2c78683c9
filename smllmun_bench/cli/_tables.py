"""Tables that more than one command prints."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from smllmun_bench.report.console import plain
from smllmun_bench.report.leaderboard import marked
from smllmun_bench.report.table import (
    ANSWER_COLUMNS,
    SCORE_COLUMNS,
    Figure,
    FittedTable,
    ScoreRow,
    add_score_columns,
    figure_text,
    lines_table,
    score_table,
)

if TYPE_CHECKING:
    from smllmun_bench.results.leaderboard import Standing

__all__ = ["answers_table", "lines_table", "mask_lines", "standings_table"]


MASK_PAGE = "docs/studies/mask_ablation.md"  # what these figures were where the mask was put to the test


def standings_table(rows: Iterable["Standing"], title: str) -> FittedTable:
    """References and methods with their scores and intervals."""
    return score_table([_score_row(standing) for standing in rows], title=title)


def answers_table(rows: Iterable["Standing"]) -> FittedTable:
    """What the answers were: refusals where they are wanted, refusals where they are not, and broken ones."""
    table = FittedTable("answers")
    table.add_column("", keep=True)
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
        f"masked {figures[prefix + 'masked']:.4f} (random {figures[prefix + 'masked_null']:.4f}); "
        f"what that says: {MASK_PAGE}"
        for prefix in prefixes
    ]


def _score_row(standing: "Standing") -> ScoreRow:
    figures: dict[str, Figure | float | None] = {}
    for column in SCORE_COLUMNS:
        value, interval = getattr(standing.row, column.name), standing.intervals.get(column.name)
        figures[column.name] = Figure(value, interval.low, interval.high) if interval else Figure(value)
    return ScoreRow(marked(standing.row), figures)
