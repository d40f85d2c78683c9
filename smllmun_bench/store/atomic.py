"""Writing that survives a crash: a file is there whole or not at all."""

import os
import secrets
from pathlib import Path


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all, also if the power fails: temporary sibling, fsync, rename. Text is UTF-8."""
    data = content.encode() if isinstance(content, str) else content
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


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed `atomic_write` left below `folder`."""
    for path in folder.rglob(".*.tmp"):
        path.unlink()


def fsync(path: Path) -> None:
    """Have the system put a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
