"""A store of finished folders, found by what they were made from. What is in it is complete; what is not, is not read.

    <root>/v1/<stage>/<key[:2]>/<key>/manifest.json     written last; its presence means complete
    <root>/v1/tmp/<key>.<pid>.<random>/                 folders in the making
    <root>/v1/locks/<key>.lock                          one writer per key; readers need no lock
    <root>/runs/<time>-<slug>.json                      which keys a run used (what `gc` must keep)

Knows folders, hashes and locks; does not know what a stage computes.
"""

import errno
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from smllmun_bench.errors import UserError
from smllmun_bench.store.atomic import atomic_write, fsync, remove_unfinished
from smllmun_bench.store.environment import peak_memory_mb, reset_peak_memory
from smllmun_bench.store.hashing import differences
from smllmun_bench.store.stored_stage import (
    LAYOUT,
    MANIFEST,
    RESERVED,
    Fault,
    Request,
    StageManifest,
    StoredStage,
    faults_of,
    folder_of,
    read_entry,
    seal,
)

__all__ = [
    "Action",
    "Fault",
    "Request",
    "StageEvent",
    "StageManifest",
    "Store",
    "StoredStage",
    "atomic_write",
    "default_root",
]  # fmt: skip
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_TEXT = ("No space left on device", "Disk quota exceeded")  # safetensors wraps the error of its Rust side in text


class Action(StrEnum):
    REUSED = "reused"
    MADE = "made"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class StageEvent:
    """Something to tell about a stage. `seconds`: since it was asked for; `detail`: who is waited for."""

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

    def find(self, request: Request) -> StoredStage | None:
        """The finished folder for a request, or None. Sizes are checked, hashes are not (`verify` does).

        Raises UserError if the folder is damaged: silently making it again would hide a failing disk.
        """
        key = request.key
        for layer in (self.root, *self.shipped):
            folder = folder_of(layer, request.stage, key)
            if (folder / MANIFEST).is_file():
                return read_entry(folder, key)
        return None

    def get_or_make(
        self,
        request: Request,
        make: Callable[[Path], None],
        *,
        resume: bool = False,
        on_event: Callable[[StageEvent], None] = lambda event: None,
    ) -> StoredStage:
        """The finished folder for a request; `make` fills an empty folder if there is none.

        One process makes, others wait for it and reuse. If `make` raises or the process dies, nothing of it is ever
        found. With `resume`, `make` is handed what an interrupted attempt at the same request had left, and may trust
        whatever was put there by `atomic_write`. Raises UserError for a full disk, a store that cannot be written and
        a damaged folder; what `make` raises passes through.
        """
        started = time.perf_counter()

        def tell(action: Action, detail: str = "") -> None:
            on_event(StageEvent(request.stage, request.key, action, time.perf_counter() - started, detail))

        entry = self.find(request)
        if entry is None:
            with self._locked(request.key, lambda holder: tell(Action.WAITING, holder)):
                entry = self.find(request)  # another process may have finished while we waited
                if entry is None:
                    entry = self._make(request, make, resume=resume)
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

    def nearest(self, request: Request) -> tuple[StoredStage, list[str]] | None:
        """The stored folder of the same stage that differs least from the request, and in what it differs."""
        found: list[tuple[int, str, StoredStage, list[str]]] = []
        for folder in self.entries(request.stage):
            if (folder / MANIFEST).is_file():
                entry = read_entry(folder, folder.name)
                changes = differences(entry.manifest.request, request.as_json())
                found.append((len(changes), entry.key, entry, changes))
        if not found:
            return None
        _, _, entry, changes = min(found, key=lambda row: row[:2])
        return entry, changes

    def verify(self) -> list[Fault]:
        """Read every byte of every entry and name each file that is not what its manifest says."""
        return [fault for folder in self.entries() for fault in faults_of(folder)]

    def gc(self, *, keep: Collection[str] | None = None, dry_run: bool = False) -> list[Path]:
        """Remove folders left by dead processes and, if `keep` is given, entries whose key is not in it.

        What another process is making at the moment is left alone. Returns what was (or would be) removed.
        """
        doomed = sorted(self._tmp.glob("*"))
        if keep is not None:
            doomed += [
                folder for folder in self.entries() if folder.is_relative_to(self.root) and folder.name not in keep
            ]
        removed = []
        for folder in doomed:
            lock = self._lock(folder.name.split(".")[0])
            try:
                with lock.acquire(timeout=0):
                    removed.append(folder)
                    if not dry_run:
                        self._discard(folder)
            except Timeout:
                continue
        return removed

    def record_run(self, slug: str, keys: Collection[str]) -> Path:
        """Note under a readable name which entries a run used, so that `gc(keep=recorded_keys())` spares them."""
        folder = self.root / "runs"
        folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", slug).strip("-.")
        path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{name}.json"
        atomic_write(path, json.dumps({"schema": 1, "keys": sorted(keys)}, indent=1) + "\n")
        return path

    def recorded_keys(self) -> set[str]:
        """All keys of all recorded runs. Raises UserError for a file that is none of ours: gc must not guess."""
        keys: set[str] = set()
        for path in sorted((self.root / "runs").glob("*.json")):
            try:
                keys.update(json.loads(path.read_text())["keys"])
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"not a record of a run: {error}", where=str(path), fix="remove the file") from None
        return keys

    @property
    def _tmp(self) -> Path:
        return self.root / LAYOUT / "tmp"

    def _lock(self, key: str) -> FileLock:
        return FileLock(self._prepare("locks") / f"{key}.lock")

    def _prepare(self, *parts: str) -> Path:
        folder = self.root.joinpath(LAYOUT, *parts)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _full(self.root) if _is_full(error) else _unwritable(self.root, error) from error
        return folder

    @contextmanager
    def _locked(self, key: str, on_wait: Callable[[str], None]) -> Iterator[None]:
        lock = self._lock(key)
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

    def _make(self, request: Request, make: Callable[[Path], None], *, resume: bool) -> StoredStage:
        """Steps 2 to 4 of the commit; the lock is held, so whatever lies in `tmp` under this key is dead."""
        temporary = self._fresh(request.key, resume=resume)
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
            if not (resume and temporary.is_dir()):
                shutil.rmtree(temporary, ignore_errors=True)  # what cannot be removed is left to gc; it is never read
            if not isinstance(error, OSError) and _is_full(error):
                raise _full(self.root) from error
            raise

    def _fresh(self, key: str, *, resume: bool) -> Path:
        """A new folder in `tmp`, or with `resume` the youngest dead one of that key; other dead ones are removed."""
        new = self._prepare("tmp") / f"{key}.{os.getpid()}.{secrets.token_hex(4)}"
        dead = sorted(self._tmp.glob(f"{key}.*"), key=lambda folder: folder.stat().st_mtime)
        if resume and dead:
            dead.pop().rename(new)
            (new / MANIFEST).unlink(missing_ok=True)
            remove_unfinished(new)
        for folder in dead:
            shutil.rmtree(folder, ignore_errors=True)
        new.mkdir(exist_ok=True)
        return new

    def _publish(self, temporary: Path, request: Request, manifest: StageManifest) -> StoredStage:
        final = folder_of(self.root, request.stage, request.key)
        self._prepare(*final.parts[-3:-1])
        if final.exists() and not (final / MANIFEST).is_file():  # somebody's half copy: out of the way, for gc
            final.rename(self._tmp / f"{request.key}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            temporary.rename(final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            # Locks do not bind on some network file systems: another process has finished the same folder.
            shutil.rmtree(temporary, ignore_errors=True)
            return read_entry(final, request.key)
        self._checkpoint("renamed")
        fsync(final.parent)
        return StoredStage(final, request.key, manifest)

    def _discard(self, folder: Path) -> None:
        """Remove a folder so that at no moment a half-removed one can be read: its manifest goes with the rename."""
        grave = self._prepare("tmp") / f"{folder.name.split('.')[0]}.{os.getpid()}.{secrets.token_hex(4)}"
        folder.rename(grave)
        shutil.rmtree(grave)


# --- trouble -----------------------------------------------------------------------------------------------------


def _is_full(error: BaseException) -> bool:
    return (isinstance(error, OSError) and error.errno in _FULL) or any(text in str(error) for text in _FULL_TEXT)


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
