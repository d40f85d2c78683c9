"""The console and the progress bars of every command. Text from outside is shown as it is, never as markup."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, Literal, Protocol

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeElapsedColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Column
from rich.text import Text

from smllmun_bench.report.output import escaped_output, visible
from smllmun_bench.report.progress_lines import ProgressLines, figures_text

PIPED_WIDTH = 120  # rich would fall back to 80 and cut cells with "…"


class Advance(Protocol):
    """Moves a bar by `n`; `figures` (a loss, a score) are shown beside it."""

    def __call__(self, n: float = 1, **figures: float | str) -> None: ...


class _Console(Console):
    """Text is escaped before it is measured; what comes as a ready-made renderable, when it is drawn."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(visible(text), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def make_console(
    *, quiet: bool = False, stderr: bool = False, width: int | None = None, file: IO[str] | None = None
) -> Console:
    """A console on which `[forget]` and `:smile:` are printed as they stand, and control characters written out.

    `quiet` prints nothing. Without a terminal the width is `width`, else $COLUMNS, else 120; on one, its own.
    """
    stream = file or (sys.stderr if stderr else sys.stdout)
    while proxied := getattr(stream, "rich_proxied_file", None):
        stream = proxied
    console = _Console(
        quiet=quiet,
        stderr=stderr,
        width=width,
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
    )
    if width is None and not console.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        console.width = PIPED_WIDTH
    return console


def plain(value: object, style: str = "") -> Text:
    """Text from outside (names, paths, model answers) for any console: no markup, no control or direction characters.

    Those are written out (`\\x1b`), so that an answer cannot move the cursor or colour the rest of the screen.
    """
    return Text(visible(str(value)), style=style)


class Bars:
    """Progress bars, live while at least one task is open. Without a terminal: lines on stderr, as things happen."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._silent = quiet or console.quiet
        self._lines = None if console.is_terminal else ProgressLines(_to_stderr)
        self._display: Progress | None = None
        self._door = ExitStack()
        self._open = 0

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Advance]:
        """A bar for the length of the block; `total` None where the end is unknown."""
        if self._silent:
            yield _do_nothing
            return
        if self._lines is not None:
            with self._lines.task(description, total) as line:
                yield line
            return
        if self._display is None:
            self._display = _display(self._console)
            self._display.start()
            self._door.enter_context(escaped_output())  # rich takes over stdout, and would obey what is printed
        display = self._display
        self._open += 1
        bar = display.add_task(description, total=total, figures="")

        def advance(n: float = 1, **figures: float | str) -> None:
            if figures:
                display.update(bar, advance=n, figures=figures_text(figures))
            else:
                display.update(bar, advance=n)

        try:
            yield advance
        finally:
            self._open -= 1
            if self._open == 0:  # also after an error or Ctrl-C: the terminal gets its cursor back
                self._display = None
                self._door.close()
                display.stop()


def progress(console: Console, quiet: bool = False) -> Bars:
    """Bars with rate and time left.

    `with progress(console, quiet).task("train", 100) as advance: advance(1, loss=0.3)`
    """
    return Bars(console, quiet=quiet)


class RateColumn(ProgressColumn):
    """Steps per second, or seconds per step where that reads better."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("\u2013", style="dim")
        return Text(f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each", style="dim")


def _display(console: Console) -> Progress:
    return Progress(
        _Cut("description"),
        BarColumn(bar_width=24),
        _Count(table_column=_whole()),
        RateColumn(table_column=_whole()),
        TimeElapsedColumn(table_column=_whole()),
        TimeRemainingColumn(table_column=_whole()),
        _Cut("figures"),
        console=console,
    )


def _whole() -> Column:
    """Of a part that stays as wide as it is where the line is too long."""
    return Column(no_wrap=True)


class _Cut(ProgressColumn):
    """A text of any length (a name, the parts of a loss), cut where the line is too long: it costs no count."""

    def __init__(self, shown: Literal["description", "figures"]) -> None:
        super().__init__()
        self._shown = shown

    def render(self, task: Task) -> Text:
        text = task.description if self._shown == "description" else task.fields["figures"]
        return Text(text, no_wrap=True, overflow="ellipsis")


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:.0f}" + ("" if task.total is None else f"/{task.total:.0f}"))


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _do_nothing(n: float = 1, **figures: float | str) -> None:
    """The bar of a silent console."""
