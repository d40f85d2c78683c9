"""What happened while the rows of a run were made, line by line, for `log.txt` of their folders."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from smllmun_bench.report.progress_lines import ProgressLines
from smllmun_bench.stages import RunContext
from smllmun_bench.stages.context import Watch
from smllmun_bench.store.store import StageEvent


class Journal:
    """Listens to the progress and the stages of a context; `take` gives what was heard since it was last asked."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def listening(self, context: RunContext) -> RunContext:
        """The same context, heard by us too."""
        return replace(context, watch=self._watching(context.watch), on_event=self._hearing(context.on_event))

    def take(self) -> str:
        heard, self._lines = self._lines, []
        return "".join(heard)

    def _note(self, line: str) -> None:
        self._lines.append(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}  {line}\n")

    def _watching(self, watch: Watch) -> Watch:
        lines = ProgressLines(self._note)

        @contextmanager
        def both(what: str, total: int) -> Iterator[Callable[..., None]]:
            with watch(what, total) as shown, lines.task(what, total) as noted:

                def advance(n: float = 1, **figures: Any) -> None:
                    shown(n, **figures)
                    noted(n, **figures)

                yield advance

        return both

    def _hearing(self, on_event: Callable[[StageEvent], None]) -> Callable[[StageEvent], None]:
        def hear(event: StageEvent) -> None:
            self._note(
                f"{event.stage}: {event.action} in {event.seconds:.1f} s, key {event.key} {event.detail}".rstrip()
            )
            on_event(event)

        return hear
