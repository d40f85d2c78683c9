"""A session of a command: its bars and what it says on a console."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from smllmun_bench.experiments import session as recording
from smllmun_bench.experiments.session import (
    RunOptions,
    Session,
    fill_store,
    open_asked,
    open_quietly,
    open_session,
    open_store,
    open_task,
    stay_offline,
)

if TYPE_CHECKING:
    from rich.console import Console

    from smllmun_bench.store.store import StageEvent

__all__ = [
    "RunOptions", "Session", "fill_store", "open_asked", "open_context", "open_quietly", "open_store", "open_task",
    "record", "stay_offline",
]  # fmt: skip


def record(session: Session, slug: str) -> None:
    """Note in the store what was used, so that `store gc` spares it."""
    if why_not := recording.record(session, slug):
        sys.stderr.write(f"note: {why_not}\n")


def open_context(options: RunOptions, console: "Console") -> Session:
    """Everything a command needs. Reads task and model card and checks the device; loads no model."""
    from smllmun_bench.report.console import progress

    return open_session(options, progress(console, options.quiet).task, _tell(console, options.quiet))


def _tell(console: "Console", quiet: bool) -> "Callable[[StageEvent], None]":
    from smllmun_bench.store.store import Action

    def tell(event: "StageEvent") -> None:
        if event.action is Action.WAITING and not quiet:
            console.print(f"waiting for {event.detail}, which is making the same ({event.stage})")
        elif event.action is Action.ANNOUNCED and not quiet:
            console.print(f"{event.stage}: {event.detail}", soft_wrap=True)
        elif event.action is Action.DAMAGED:
            sys.stderr.write(f"damaged, set aside and made again ({event.stage}): {event.detail}\n")

    return tell
