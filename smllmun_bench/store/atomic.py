"""Writing that survives a crash and a full disk: a file or folder is there whole or not at all, and what stands in the
way is one message."""

import ctypes
import errno
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smllmun_bench.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSALS = (  # of the system, about a path that somebody named: no bug of ours
    *FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP,
    errno.EIO,
)  # fmt: skip
_IN_THE_WAY = (errno.ENOTDIR, errno.EEXIST)
_TEMPORARY = re.compile(r"\..+\.(\d+)\.[0-9a-f]{8}\.tmp")
_FRESH_S, _OLD_S = (
    2.0,
    3600.0,
)  # a small file is written in less than the first, whatever happens in less than the other
_EXCHANGE, _HERE = 2, -100  # RENAME_EXCHANGE and AT_FDCWD of Linux


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system refuses while `path` is written, as a UserError that names the path and a way out."""
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> UserError:
    """The message for a path that the system does not let us write."""
    if error.errno in FULL:
        fix = "free some space (`smllmun-bench store gc`), or a path on another disk"
    elif error.errno in _IN_THE_WAY:
        files = [part for part in (path, *path.parents) if part.exists() and not part.is_dir()]
        fix = f"another path: {files[0]} is no folder" if files else "another path"
    elif error.errno == errno.EISDIR:
        fix = "the name of a file: this is a folder"
    else:
        fix = "a path that you may write to"
    return UserError(f"cannot be written: {error.strerror or error}", where=str(path), fix=fix)


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all, also if the power fails: temporary sibling, fsync, rename. Text is UTF-8.

    Folders on the way are made. A device (`/dev/stdout`) is written to, not replaced. Raises UserError.
    """
    data = content.encode() if isinstance(content, str) else content
    with writing(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
        try:
            with temporary.open("xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        fsync(path.parent)


def writable_folder(folder: Path) -> Path:
    """Make the folder and try it, so that work of hours does not end at its last step. Raises UserError."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder


def writable_file(path: Path) -> Path:
    """The same for a file that will be written. A device is taken at its word. Raises UserError."""
    with writing(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not path.exists() or path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    return path


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which appears at `path` whole or not at all. `path` must not exist, or be empty."""
    path = path.absolute()
    with writing(path):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UserError("there is something already", where=str(path), fix="a new name, or empty it first")
        building = writable_folder(path.parent) / f".{path.name}.{secrets.token_hex(4)}.new"
        building.mkdir()
        try:
            yield building
            if path.exists():
                path.rmdir()
            building.rename(path)
        finally:
            shutil.rmtree(building, ignore_errors=True)


def put_folder(new: Path, final: Path) -> None:
    """Put a finished folder in the place of `final`: a reader finds the old one or the new one, whole.

    Where the system cannot exchange two folders in one step, a reader may for a moment find none. One writer at a time.
    """
    if not final.exists():
        new.rename(final)
        return
    if not _exchanged(new, final):
        old = new.with_suffix(".old")
        final.rename(old)
        new.rename(final)
        old.rename(new)
    shutil.rmtree(new)


def sweep(folder: Path) -> None:
    """Remove what killed processes left of an `atomic_write` in `folder`."""
    for path in folder.glob(".*.tmp"):
        found = _TEMPORARY.fullmatch(path.name)
        try:
            age = time.time() - path.stat().st_mtime
            if found and age > _FRESH_S and (age > _OLD_S or not _alive(int(found[1]))):
                path.unlink()
        except OSError:
            continue  # gone meanwhile, or not ours to remove: nobody reads it


def fsync(path: Path) -> None:
    """Have the system put a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchanged(one: Path, other: Path) -> bool:
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    return rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # of another user
    return True
