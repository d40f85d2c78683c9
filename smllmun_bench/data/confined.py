"""Keeps what data names (patterns, pictures, links) inside the folder that the user named, and hidden files out."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from smllmun_bench.errors import UserError

LONGEST_NAME = 255  # bytes of one part of a path, on every file system in use
LONGEST_PATH = 1024  # characters
_NOBODYS = ("__MACOSX", "__pycache__")


def relative(name: str, *, where: str, what: str = "path") -> PurePosixPath:
    """The name as a path below a folder. Raises UserError for an address, an absolute path, `..` and a name too long.

    >>> str(relative("./faces/7.png", where="row 3"))
    'faces/7.png'
    """
    pure = PurePosixPath(name.replace("\\", "/"))
    if "://" in name or "::" in name:
        raise UserError(
            f"the {what} {name!r} is an address: nothing is fetched", where=where, fix="a file in the folder"
        )
    if pure.is_absolute() or ".." in pure.parts or name[1:3] in (":\\", ":/"):
        raise UserError(f"the {what} {name!r} leads out of the folder", where=where, fix="a relative path")
    if (
        "\0" in name
        or len(name) > LONGEST_PATH
        or any(len(part.encode(errors="replace")) > LONGEST_NAME for part in pure.parts)
    ):
        shown = name if len(name) < 80 else f"{name[:60]}…"
        raise UserError(f"the {what} {shown!r} cannot be the name of a file", where=where)
    return pure


def contained(path: Path, folder: Path, *, where: str = "") -> Path:
    """`path` unless a link in it leads out of `folder`: UserError then.

    The hub's cache links its snapshots to its own blobs, which is allowed.
    """
    try:
        real, home = path.resolve(), folder.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise UserError(f"cannot be followed: {error}", where=where or str(path)) from None
    homes = [home]
    if home.parent.name == "snapshots":
        blobs = home.parent.parent / "blobs"
        homes += [blobs] if blobs.resolve() == blobs else []
    if not any(real.is_relative_to(one) for one in homes):
        raise UserError(
            f"a link leads out of the folder, to {real}", where=where or str(path), fix="a copy of what it points to"
        )
    return path


def matches(folder: Path, pattern: str, *, where: str = "") -> Iterator[Path]:
    """What fits a glob below the folder. What editors, notebooks and archives hide there is passed over."""
    named = relative(pattern, where=where or str(folder), what="pattern").parts
    try:
        hits = list(folder.glob("/".join(named)))
    except (ValueError, OSError) as error:
        raise UserError(f"the pattern {pattern!r} cannot be used: {error}", where=where or str(folder)) from None
    for hit in hits:
        if not hidden(hit, folder, named):
            yield contained(hit, folder)


def hidden(path: Path, folder: Path, named: tuple[str, ...] = ()) -> bool:
    """Whether a part of the path below `folder` is hidden (`.ipynb_checkpoints`, `._x`), and not named as such."""
    parts = path.relative_to(folder).parts
    return any((part.startswith(".") or part in _NOBODYS) and part not in named for part in parts)
