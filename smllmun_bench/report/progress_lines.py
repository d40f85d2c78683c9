"""Progress as lines of text, for files and logs: what began, how it goes now and then, and how long it took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from smllmun_bench.report.output import visible

EVERY = 10.0  # seconds between two lines of one task


def figures_text(figures: dict[str, float | str]) -> str:
    return "  ".join(
        f"{name} {value if isinstance(value, str) else format(value, '.4g')}" for name, value in figures.items()
    )


class ProgressLines:
    """Tells `write` a line when a task begins, at most one every `every` seconds, and one when it ends."""

    def __init__(
        self, write: Callable[[str], None], *, every: float = EVERY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._every, self._clock = write, every, clock

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Callable[..., None]]:
        """The same as a bar: `advance(n, **figures)` for the length of the block."""
        name = visible(description)
        began = told = self._clock()
        done, last = 0.0, ""

        def so_far() -> str:
            """`12/40`; the count alone where it went past what was announced, as a second training does."""
            return f"{done:.0f}" + (f"/{total:.0f}" if total is not None and done <= total else "")

        self._write(f"{name}: begun" + ("" if total is None else f", {total:.0f} steps"))

        def advance(n: float = 1, **figures: float | str) -> None:
            nonlocal done, last, told
            done, last = done + n, visible(figures_text(figures)) if figures else last
            now = self._clock()
            if now - told >= self._every:
                told = now
                left = f", {(total - done) * (now - began) / done:.0f} s left" if total and 0 < done <= total else ""
                self._write(f"{name}: {so_far()}, {_pace(done, now - began)}{left}" + (last and f"  {last}"))

        outcome = "stopped"
        try:
            yield advance
            outcome = "done"
        finally:
            spent = self._clock() - began
            pace = _pace(done, spent)
            self._write(f"{name}: {outcome}, {so_far()} in {spent:.1f} s, {pace}" + (last and f"  {last}"))


def _pace(done: float, seconds: float) -> str:
    """Steps per second, or seconds per step where that reads better."""
    if not done or seconds <= 0:
        return "no rate yet"
    return f"{done / seconds:.1f}/s" if done >= seconds else f"{seconds / done:.1f} s each"
