"""Tables for people: scores and stages. Numbers for machines go to CSV (`leaderboard`)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from smllmun_bench.report.console import plain
from smllmun_bench.schema import Direction
from smllmun_bench.scoring.columns import COLUMNS, Column, Shown

MISSING = "\u2013"  # an en dash
_PROSE = 18  # cells: a column with a wider one is prose, and may be folded
_UNCUT = 24  # cells: a longer word (a path, a hash) may be cut though it holds digits
_DIGIT = re.compile(r"\d")
_FOLDED = 10  # cells that a folded column keeps at least
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


@dataclass(frozen=True, slots=True)
class _Heading:
    text: Text
    right: bool
    keep: bool
    whole: bool


class FittedTable:
    """A table of any width. Whole columns (names, numbers) stand on one line or not at all; prose is folded.

    Where not everything fits, columns are left out from the right, those with `keep` never, and named below.
    """

    def __init__(self, title: str = "") -> None:
        self.title, self.caption = title, ""
        self.rows: list[tuple[Text, ...]] = []
        self._headings: list[_Heading] = []
        self._sections: set[int] = set()

    def add_column(self, heading: str | Text, *, right: bool = False, keep: bool = False, whole: bool = True) -> None:
        text = plain(heading) if isinstance(heading, str) else heading
        self._headings.append(_Heading(text, right, keep, whole))

    def add_row(self, *cells: str | Text) -> None:
        self.rows.append(tuple(plain(cell) if isinstance(cell, str) else cell for cell in cells))

    def add_section(self) -> None:
        """A line below the rows so far."""
        self._sections.add(len(self.rows))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown, whole = self._fit(options.max_width)
        table = Table(
            title=plain(self.title) if self.title else None,
            title_justify="left",
            caption=plain(self.caption) if self.caption else None,
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            padding=0,
        )
        for place in shown:
            heading = self._headings[place]
            table.add_column(
                heading.text,
                justify="right" if heading.right else "left",
                overflow="fold",
                no_wrap=place in whole,
                min_width=self._natural(place) if place in whole else self._folded(place),
            )
        for number, cells in enumerate(self.rows, 1):
            table.add_row(*(cells[place] for place in shown), end_section=number in self._sections)
        yield table
        if left_out := [self._headings[place] for place in range(len(self._headings)) if place not in shown]:
            named = ", ".join(heading.text.plain.replace("-\n", "").replace("\n", " ") for heading in left_out)
            yield Text(f"left out at {options.max_width} columns: {named}", style="dim")

    def _fit(self, width: int) -> tuple[list[int], set[int]]:
        """(places of the columns that are shown, those of them that stand whole)."""
        shown = list(range(len(self._headings)))
        whole = {place for place in shown if self._headings[place].whole}
        optional = [place for place in shown if not self._headings[place].keep]
        while optional and self._least(shown, whole) > width:
            shown.remove(optional.pop())
        whole &= set(shown)
        while whole and self._least(shown, whole) > width:  # nothing is left to leave out: the widest is folded
            whole.remove(max(whole, key=self._natural))
        return shown, whole

    def _least(self, shown: Sequence[int], whole: set[int]) -> int:
        widths = [self._natural(place) if place in whole else self._folded(place) for place in shown]
        return sum(widths) + len(widths) + 1  # the box: a space between columns and at either side

    def _folded(self, place: int) -> int:
        """What a folded column needs: no number in it is cut, unless it is longer than any that is meant to be read."""
        words = [word for row in self.rows for word in row[place].plain.split() if _DIGIT.search(word)]
        numbers = [length for word in words if (length := cell_len(word)) <= _UNCUT]
        return min(self._natural(place), max([_FOLDED, *numbers]))

    def _natural(self, place: int) -> int:
        cells = [self._headings[place].text, *(row[place] for row in self.rows)]
        return max(line.cell_len for cell in cells for line in cell.split("\n", allow_blank=True) or [cell])


def lines_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, keep: Sequence[str] = ()
) -> FittedTable:
    """A table of texts; None is a dash. The first column and `keep` are never left out; long texts are folded."""
    table = FittedTable(title)
    cells = [[plain(MISSING if cell is None else cell) for cell in row] for row in rows]
    for place, column in enumerate(columns):
        prose = any(row[place].cell_len > _PROSE for row in cells)
        table.add_column(column, keep=place == 0 or column in keep, whole=place == 0 or not prose)
    for row in cells:
        table.add_row(*row)
    return table


def score_table(rows: Iterable[ScoreRow], *, title: str = "", columns: Sequence[Column] = SCORE_COLUMNS) -> FittedTable:
    """A line per model, a column per score with three decimals; an interval stands below as ±, at its wider side.

    Raises ValueError for a figure under a name that no column has: it would be dropped in silence.
    """
    known = {column.name for column in columns}
    table = FittedTable(title)
    table.add_column("", keep=True)
    add_score_columns(table, columns)
    for row in rows:
        if strangers := row.figures.keys() - known:
            raise ValueError(f"{row.label}: no column for {', '.join(sorted(strangers))}")
        figures = (figure_text(row.figures.get(column.name), column.missing) for column in columns)
        table.add_row(plain(row.label), *figures)
    return table


def stages_table(lines: Iterable[StageLine]) -> FittedTable:
    """What each stage of a run did, how long it took, and the key it is stored under."""
    table = FittedTable()
    table.add_column("stage", keep=True, whole=False)
    table.add_column("", keep=True)
    table.add_column("seconds", right=True, keep=True)
    table.add_column("key")
    total = 0.0
    for line in lines:
        total += line.seconds
        table.add_row(plain(line.stage), plain(line.action), f"{line.seconds:.1f}", plain(line.key[:12], style="dim"))
    table.add_section()
    table.add_row("all", "", f"{total:.1f}", "")
    return table


def add_score_columns(table: FittedTable, columns: Sequence[Column] = SCORE_COLUMNS) -> None:
    """The scores, of which `overall` is always there."""
    for column in columns:
        heading = Text(column.heading + _ARROWS[column.direction])
        table.add_column(heading, right=True, keep=column.name == "overall")


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
