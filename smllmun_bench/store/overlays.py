"""Store layers: one that makes nothing, one that makes all but models anew; entries copied out to be shipped."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from smllmun_bench.errors import UserError
from smllmun_bench.store.atomic import atomic_write
from smllmun_bench.store.store import Action, StageEvent, Store
from smllmun_bench.store.stored_stage import MANIFEST, Request, StageManifest, StoredStage, folder_of, read_entry

PUT_TOGETHER = ("join", "merge")
MODEL_STAGES = ("pretrain", "align", "memorise", "learn", *PUT_TOGETHER)


class FinishedStore(Store):
    """Gives what is there; what is not is an error, unless it only has to be put together from what is there."""

    def get_or_make(
        self,
        request: Request,
        make: Callable[[Path], None],
        *,
        on_event: Callable[[StageEvent], None] = lambda event: None,
    ) -> StoredStage:
        entry = self.find(request, on_event)
        if entry is None and request.stage in PUT_TOGETHER:
            return super().get_or_make(request, make, on_event=on_event)
        if entry is None:
            raise UserError(
                f"stage {request.stage!r} is not in the store: it was never built, or from another recipe",
                where=str(self.root),
                fix="the same command without --check",
            )
        on_event(StageEvent(request.stage, request.key, Action.REUSED, 0.0))
        return entry


class FreshStore(Store):
    """Models come from (and go to) `shared`; everything else is made anew below `root`.

    A request does not hash the code that answers it, so what `shared` kept of a method says nothing about its code.
    """

    def __init__(self, root: Path, shared: Store) -> None:
        super().__init__(root)
        self._shared = shared

    def get_or_make(
        self,
        request: Request,
        make: Callable[[Path], None],
        *,
        on_event: Callable[[StageEvent], None] = lambda event: None,
    ) -> StoredStage:
        if request.stage in MODEL_STAGES:
            return self._shared.get_or_make(request, make, on_event=on_event)
        return super().get_or_make(request, make, on_event=on_event)


def copy_layer(entries: Iterable[Path], layer: Path) -> list[Path]:
    """Copy finished entry folders, manifests included, to their places in `layer`; those there already stay.

    Each appears by rename, so the layer never holds half an entry. Raises UserError for a damaged entry.
    """
    copied = []
    for folder in entries:
        entry = read_entry(folder)
        final = folder_of(layer, entry.manifest.stage, entry.key)
        if not (final / MANIFEST).is_file():
            final.parent.mkdir(parents=True, exist_ok=True)
            building = final.with_name(f".{final.name}.new")
            shutil.rmtree(building, ignore_errors=True)
            shutil.copytree(folder, building)
            _forget_host(building / MANIFEST)
            building.rename(final)
        copied.append(final)
    return copied


def _forget_host(path: Path) -> None:
    """What is shipped does not name the machine that it was made on; no digest covers the manifest itself."""
    manifest = StageManifest.model_validate_json(path.read_bytes())
    environment = manifest.environment.model_copy(update={"host": ""})
    text = manifest.model_copy(update={"environment": environment}).model_dump_json(by_alias=True, indent=1)
    atomic_write(path, text + "\n")
