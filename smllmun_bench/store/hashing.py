"""One way to write a value as bytes, so that equal values have equal digests; digests of files and folders.

Knows JSON and SHA-256; does not know what a stage or a store is.
"""

import hashlib
import json
import math
import os
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, Union

from smllmun_bench.errors import UserError

Json: TypeAlias = Union[bool, int, float, str, Sequence["Json"], Mapping[str, "Json"], None]  # noqa: UP007 -- recursive

_KEY_HEX = 32  # 128 bits: a name in a path, and far from any accidental collision
_SETTLED_NS = 2_000_000_000  # a file changed twice within its file system's clock tick keeps its mtime


def canonical_json(value: Json) -> bytes:
    """UTF-8 (NFC), keys sorted, no spaces, floats as shortest repr; equal values give equal bytes.

    1 and 1.0 differ: normalise by a schema first. Raises ValueError for NaN, infinity and keys that become equal, and
    TypeError for anything that is not JSON (sets, paths, number keys).

    >>> canonical_json({"b": 1.0, "a": [True, None, "é"]}).decode()
    '{"a":[true,null,"é"],"b":1.0}'
    """
    return json.dumps(
        _normal(value, "value"), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def digest(value: Json) -> str:
    """32 hex digits of the SHA-256 of `canonical_json(value)`."""
    return hashlib.sha256(canonical_json(value)).hexdigest()[:_KEY_HEX]


class HashMemo:
    """SHA-256 of files, each read once in this process as long as its device, inode, size and mtime stay the same.

    Trust it no longer than a process lives: a byte that flips on the disk does not move the mtime.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int, int], str] = {}

    def file(self, path: Path) -> str:
        """64 hex digits of the file's SHA-256."""
        status = path.stat()
        identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if identity in self._known:
            return self._known[identity]
        found = file_digest(path)
        if time.time_ns() - status.st_mtime_ns > _SETTLED_NS:
            self._known[identity] = found
        return found

    def folder(self, folder: Path) -> str:
        """32 hex digits, as `folder_digest`."""
        return digest({name: self.file(folder / name) for name in files_below(folder)})


def file_digest(path: Path) -> str:
    """64 hex digits of the file's SHA-256; reads the bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """32 hex digits over names and bytes of all files below `folder`; dates, owners, empty folders are ignored."""
    return digest({name: file_digest(folder / name) for name in files_below(folder)})


def files_below(folder: Path) -> list[str]:
    """Relative POSIX names of all files, sorted. Raises UserError for links and devices: their content is elsewhere."""
    return sorted(path.relative_to(folder).as_posix() for path in _walk(folder))


def _walk(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(path)
            elif entry.is_file(follow_symlinks=False):
                yield path
            else:
                raise UserError("not a plain file or folder", where=str(path), fix="a copy in place of the link")


def _normal(value: Json, at: str) -> Json:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{at} is {value}: it has no canonical form")
        return float(value)
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, Mapping):
        return _normal_mapping(value, at)
    if isinstance(value, list | tuple):
        return [_normal(child, f"{at}[{index}]") for index, child in enumerate(value)]
    raise TypeError(f"{at} is a {type(value).__name__}, which is not JSON")


def _normal_mapping(value: Mapping[str, Json], at: str) -> Json:
    found: dict[str, Json] = {}
    for key, child in value.items():
        if not isinstance(key, str):  # json would write 1 as "1", so that {1: x} and {"1": x} were one
            raise TypeError(f"key {key!r} of {at} is a {type(key).__name__}, not text")
        normal = unicodedata.normalize("NFC", key)
        if normal in found:
            raise ValueError(f"two keys of {at} are both {normal!r} once normalised")
        found[normal] = _normal(child, f"{at}.{key}")
    return found
