"""Tables for people: scores and stages. Numbers for machines go to CSV (`leaderboard`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rich import box
from rich.table import Table
from rich.text import Text

from smllmun_bench.report.console import plain
from smllmun_bench.schema import Direction
from smllmun_bench.scoring.columns import COLUMNS, Column, Shown

MISSING = "\u2013"  # an en dash
_ARROWS = {Direction.UP: " ↑", Direction.DOWN: " ↓", Direction.NONE: ""}


SCORE_COLUMNS = tuple(column for column in COLUMNS if column.table is Shown.SCORES)
ANSWER_COLUMNS = tuple(column for column in COLUMNS if column.table is Shown.ANSWERS)


@dataclass(frozen=True, slots=True)
class Figure:
    """A score and, where one was computed, its interval. None: there is no such score."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One model under one label; `figures` by column. A column that is not named has no score."""

    label: str
    figures: Mapping[str, Figure | float | None] = field(default_factory=dict)


class StageLine(Protocol):
    """What `stages_table` shows of a stage (an event of the store fits)."""

    @property
    def stage(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def seconds(self) -> float: ...


def score_table(rows: Iterable[ScoreRow], *, title: str = "", columns: Sequence[Column] = SCORE_COLUMNS) -> Table:
    """A line per model, a column per score with three decimals; an interval stands below as ±, at its wider side.

    Raises ValueError for a figure under a name that no column has: it would be dropped in silence.
    """
    known = {column.name for column in columns}
    table = new_table(title)
    table.add_column("", overflow="fold", max_width=28)
    add_score_columns(table, columns)
    for row in rows:
        if strangers := row.figures.keys() - known:
            raise ValueError(f"{row.label}: no column for {', '.join(sorted(strangers))}")
        figures = (figure_text(row.figures.get(column.name), column.missing) for column in columns)
        table.add_row(plain(row.label), *figures)
    return table


def stages_table(lines: Iterable[StageLine]) -> Table:
    """What each stage of a run did, how long it took, and the key it is stored under."""
    table = new_table("")
    table.add_column("stage", overflow="fold")
    table.add_column("")
    table.add_column("seconds", justify="right")
    table.add_column("key")
    total = 0.0
    for line in lines:
        total += line.seconds
        table.add_row(plain(line.stage), plain(line.action), f"{line.seconds:.1f}", plain(line.key[:12], style="dim"))
    table.add_section()
    table.add_row("all", "", f"{total:.1f}", "")
    return table


def new_table(title: str) -> Table:
    """An empty table in the house's style."""
    return Table(
        title=plain(title) if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def add_score_columns(table: Table, columns: Sequence[Column] = SCORE_COLUMNS) -> None:
    for column in columns:
        table.add_column(Text(column.heading + _ARROWS[column.direction]), justify="right", no_wrap=True)


def figure_text(figure: Figure | float | None, missing: str = MISSING) -> Text:
    """`0.812`, with `±.021` dim on a second line where there is an interval; a dash where there is no score, or `n/a`
    where a whole part of the benchmark does not apply."""
    if not isinstance(figure, Figure):
        figure = Figure(figure)
    if figure.value is None:
        return Text(missing, style="dim")
    text = Text(f"{figure.value:.3f}")
    if figure.low is not None and figure.high is not None:
        margin = max(figure.high - figure.value, figure.value - figure.low)
        text.append("\n±" + f"{margin:.3f}".removeprefix("0"), style="dim")
    return text
