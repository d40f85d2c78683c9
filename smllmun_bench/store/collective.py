"""A store for processes that were launched together: all of them make a folder, the first one keeps it."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from smllmun_bench import runtime
from smllmun_bench.store.store import Action, Request, StageEvent, Store, StoredStage


class CollectiveStore(Store):
    """Process 0 locks, makes and publishes; the others take part in the making, in a folder that is thrown away.

    All processes must ask for the same requests in the same order. `root` must be a folder that all of them see.
    """

    def get_or_make(
        self,
        request: Request,
        make: Callable[[Path], None],
        *,
        on_event: Callable[[StageEvent], None] = lambda event: None,
    ) -> StoredStage:
        if runtime.rank() == 0:
            return self._lead(request, make, on_event=on_event)
        if runtime.agreed(False):
            with TemporaryDirectory() as folder:
                make(Path(folder))
        runtime.wait()
        entry = self.find(request)
        if entry is None:
            raise FileNotFoundError(f"process 0 has finished {request.stage!r}, but {self.root} does not show it here")
        return entry

    def _lead(
        self, request: Request, make: Callable[[Path], None], *, on_event: Callable[[StageEvent], None]
    ) -> StoredStage:
        there = self.find(request, on_event)
        if there is not None:
            runtime.agreed(False)
            entry = there
        else:
            with self._locked(request.key, lambda holder: None):
                there = self.find(request)  # another launch may have finished while we waited
                runtime.agreed(there is None)
                entry = there or self._make(request, make)
        seconds = 0.0 if there else entry.manifest.seconds
        on_event(StageEvent(request.stage, request.key, Action.REUSED if there else Action.MADE, seconds))
        runtime.wait()
        return entry
