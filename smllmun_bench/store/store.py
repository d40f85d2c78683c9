"""A store of finished folders, found by what they were made from. What is in it is complete; what is not, is not read.

    <root>/v1/<stage>/<key[:2]>/<key>/manifest.json     written last; its presence means complete
    <root>/v1/tmp/<key>.<pid>.<random>/                 folders in the making
    <root>/v1/locks/<key>.lock                          one writer per key; readers need no lock
    <root>/v1/damaged/<key>.<random>/                   what was found damaged; never read, removed by `gc`
    <root>/runs/<time>-<slug>.json                      which keys a run used (`upkeep`)

Knows folders, hashes and locks; does not know what a stage computes.
"""

import errno
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from smllmun_bench.errors import UserError
from smllmun_bench.store.atomic import FULL, atomic_write, fsync
from smllmun_bench.store.environment import peak_memory_mb, reset_peak_memory
from smllmun_bench.store.hashing import HashMemo
from smllmun_bench.store.stored_stage import (
    LAYOUT,
    MANIFEST,
    RESERVED,
    Request,
    StageManifest,
    StoredStage,
    faults_of,
    folder_of,
    manifest_of,
    read_entry,
    seal,
)

__all__ = ["Action", "Request", "StageEvent", "StageManifest", "Store", "StoredStage", "default_root"]
_FULL_TEXT = ("No space left on device", "Disk quota exceeded")  # safetensors wraps the error of its Rust side in text


class Action(StrEnum):
    REUSED = "reused"
    MADE = "made"
    WAITING = "waiting"
    DAMAGED = "damaged"
    ANNOUNCED = "announced"


@dataclass(frozen=True, slots=True)
class StageEvent:
    """Something to tell about a stage. `seconds`: since it was asked for; `detail`: who is waited for, the
    fault, or the cost."""

    stage: str
    key: str
    action: Action
    seconds: float
    detail: str = ""


def default_root(environ: Mapping[str, str] = os.environ) -> Path:
    """`$SMLLMUN_STORE`, else `smllmun-bench` in `$XDG_CACHE_HOME`, else in `~/.cache`."""
    if environ.get("SMLLMUN_STORE"):
        return Path(environ["SMLLMUN_STORE"]).expanduser()
    cache = environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache"  # XDG: relative ones are ignored
    return base / "smllmun-bench"


class Store:
    """Content-addressed folders below `root`, and read-only layers (`shipped`) that are looked up after it.

    `checkpoint` is called with a name between every two steps of a commit; tests stop the process there.
    """

    def __init__(
        self, root: Path, shipped: Sequence[Path] = (), *, checkpoint: Callable[[str], None] = lambda step: None
    ) -> None:
        self.root, self.shipped, self._checkpoint = root, tuple(shipped), checkpoint
        self.memo = HashMemo()

    def find(self, request: Request, on_event: Callable[[StageEvent], None] = lambda event: None) -> StoredStage | None:
        """The finished folder for a request, or None. Every byte is checked when a file is met for the first time.

        A damaged folder is told (`Action.DAMAGED`) and passed over.
        """
        for layer in (self.root, *self.shipped):
            folder = folder_of(layer, request.stage, request.key)
            if not (folder / MANIFEST).is_file():
                continue
            fault = next(faults_of(folder, self.memo.file), None)
            if fault is None:
                return StoredStage(folder, request.key, manifest_of(folder))
            on_event(StageEvent(request.stage, request.key, Action.DAMAGED, 0.0, f"{fault.path}: {fault.what}"))
        return None

    def get_or_make(
        self,
        request: Request,
        make: Callable[[Path], None],
        *,
        on_event: Callable[[StageEvent], None] = lambda event: None,
    ) -> StoredStage:
        """The finished folder for a request; `make` fills an empty folder if there is none, or a damaged one.

        One process makes, others wait for it and reuse. If `make` raises or the process dies, nothing of it is ever
        found. Raises UserError for a full disk and a store that cannot be written; what `make` raises passes through.
        """
        started = time.perf_counter()

        def tell(action: Action, detail: str = "") -> None:
            on_event(StageEvent(request.stage, request.key, action, time.perf_counter() - started, detail))

        entry = self.find(request, on_event)
        if entry is None:
            with self._locked(request.key, lambda holder: tell(Action.WAITING, holder)):
                entry = self.find(request)  # another process may have finished while we waited
                if entry is None:
                    entry = self._make(request, make)
                    tell(Action.MADE)
                    return entry
        tell(Action.REUSED)
        return entry

    def entries(self, stage: str = "*") -> Iterator[Path]:
        """Folders of finished or damaged entries in all layers."""
        for layer in (self.root, *self.shipped):
            for folder in sorted((layer / LAYOUT).glob(f"{stage}/??/*")):
                if folder.parts[-3] not in RESERVED and folder.is_dir():
                    yield folder

    @contextmanager
    def unused(self, key: str) -> Iterator[bool]:
        """Holds the lock of a key; False: another process is making it. Raises OSError where there can be no lock."""
        lock = FileLock(self._prepare("locks") / f"{key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def discard(self, folder: Path) -> None:
        """Remove a folder so that at no moment a half-removed one can be read: its manifest goes with the rename."""
        grave = self._prepare("tmp") / f"{folder.name.split('.')[0]}.{os.getpid()}.{secrets.token_hex(4)}"
        folder.rename(grave)
        shutil.rmtree(grave)

    def _prepare(self, *parts: str) -> Path:
        folder = self.root.joinpath(LAYOUT, *parts)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _full(self.root) if _is_full(error) else _unwritable(self.root, error) from error
        return folder

    @contextmanager
    def _locked(self, key: str, on_wait: Callable[[str], None]) -> Iterator[None]:
        lock = FileLock(self._prepare("locks") / f"{key}.lock")
        holder = self.root / LAYOUT / "locks" / f"{key}.holder"
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait(holder.read_text() if holder.is_file() else "another process")
            lock.acquire()
        except OSError as error:
            raise _full(self.root) if _is_full(error) else _unwritable(self.root, error) from error
        try:
            atomic_write(holder, f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%F %T} UTC")
            yield
        except OSError as error:
            if _is_full(error):
                raise _full(self.root) from error
            raise
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def _make(self, request: Request, make: Callable[[Path], None]) -> StoredStage:
        """Steps 2 to 4 of the commit; the lock is held, so whatever lies in `tmp` under this key is dead."""
        self._set_aside(request)
        temporary = self._fresh(request.key)
        try:
            self._checkpoint("before make")
            started = time.perf_counter()
            reset_peak_memory()
            make(temporary)
            seconds, peak = time.perf_counter() - started, peak_memory_mb()
            self._checkpoint("made")
            manifest = seal(temporary, request, seconds, peak, self._checkpoint)
            return self._publish(temporary, request, manifest)
        except BaseException as error:
            shutil.rmtree(temporary, ignore_errors=True)  # what cannot be removed is left to the sweep; never read
            if not isinstance(error, OSError) and _is_full(error):
                raise _full(self.root) from error
            raise

    def _set_aside(self, request: Request) -> None:
        """Whatever stands in the place of this request is damaged, or somebody's half copy: it is kept, apart."""
        final = folder_of(self.root, request.stage, request.key)
        if final.exists():
            final.rename(self._prepare("damaged") / f"{request.key}.{secrets.token_hex(4)}")

    def _fresh(self, key: str) -> Path:
        """A new folder in `tmp`; dead ones of that key are removed."""
        tmp = self._prepare("tmp")
        for dead in tmp.glob(f"{key}.*"):
            shutil.rmtree(dead, ignore_errors=True)
        new = tmp / f"{key}.{os.getpid()}.{secrets.token_hex(4)}"
        new.mkdir()
        return new

    def _publish(self, temporary: Path, request: Request, manifest: StageManifest) -> StoredStage:
        final = folder_of(self.root, request.stage, request.key)
        self._prepare(*final.parts[-3:-1])
        try:
            temporary.rename(final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            # Locks do not bind on some network file systems: another process has finished the same folder.
            shutil.rmtree(temporary, ignore_errors=True)
            return read_entry(final, self.memo.file)
        self._checkpoint("renamed")
        fsync(final.parent)
        return StoredStage(final, request.key, manifest)


# --- trouble -----------------------------------------------------------------------------------------------------


def _is_full(error: BaseException) -> bool:
    return (isinstance(error, OSError) and error.errno in FULL) or any(text in str(error) for text in _FULL_TEXT)


def _full(root: Path) -> UserError:
    return UserError(
        "the disk of the store is full; nothing half-made was kept as finished",
        where=str(root),
        fix="free some space (`smllmun-bench store gc`), or point $SMLLMUN_STORE to another disk, and run again",
    )


def _unwritable(root: Path, error: OSError) -> UserError:
    return UserError(
        f"the store cannot be written: {error.strerror}", where=str(root), fix="another folder in $SMLLMUN_STORE"
    )
