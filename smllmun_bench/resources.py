"""Where files lie that are found by name: what ships with this package, what other packages bring, the user's own.

Shipped files stand in the wheel, or at the top of a checkout. A folder of the user (`--include DIR`, or the one in the
configuration directory) is laid out like a checkout: `baselines/`, `tasks/`. A package of others names a folder of its
own by entry point, in the group `smllmun_bench.baselines` or `smllmun_bench.tasks`.
"""

import os
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from smllmun_bench.catalogue import distribution, load, warn
from smllmun_bench.errors import UserError

KINDS = ("baselines", "results", "store", "tasks")
BROUGHT = ("baselines", "tasks")  # kinds that others may bring
INCLUDE = "SMLLMUN_INCLUDE"  # folders of the user, separated as in PATH; what `--include` adds to, for workers too


def shipped(kind: str) -> Path:
    """The folder of shipped files of one kind (`tasks`, `baselines`, `results`, `store`).

    A wheel carries them in `smllmun_bench/_shipped/`; in a checkout they stand at the top of the repository. The
    finished toy models (`store`, a read-only layer) lie in `smllmun_bench/_store/` in both.
    Raises ValueError for another kind and FileNotFoundError if the installation lacks the folder.
    """
    if kind not in KINDS:
        raise ValueError(f"no shipped files of kind {kind!r}; kinds are {', '.join(KINDS)}")
    package = Path(__file__).parent
    places = (package / "_store",) if kind == "store" else (package / "_shipped" / kind, package.parent / kind)
    for folder in places:
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"this installation has no {kind!r} folder: {' and '.join(map(str, places))} do not exist")


def in_checkout() -> bool:
    """Whether shipped files are the repository's own, and not those of an installed package."""
    return shipped("baselines").parent == Path(__file__).parent.parent


def user_folder() -> Path:
    """`smllmun-bench` in the configuration directory: `$XDG_CONFIG_HOME`, or `~/.config`."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".config") / "smllmun-bench"


def included() -> list[Path]:
    """The folders that `--include` names. Raises UserError for what is no folder of recipes and tasks."""
    return [checked(Path(part)) for part in os.environ.get(INCLUDE, "").split(os.pathsep) if part]


def own(kind: str) -> list[Path]:
    """Existing folders of one kind of the user: the included ones as they were named, then the configuration's."""
    return [place / kind for place in (*included(), user_folder()) if (place / kind).is_dir()]


def brought(kind: str) -> list[Path]:
    """The folders of one kind that other packages bring; a broken one costs its own files alone, with a warning."""
    found = []
    for point in entry_points(group=f"smllmun_bench.{kind}"):
        try:
            found.append(_named_folder(point, kind))
        except UserError as error:
            warn(f"left out: {error}")
    return found


def places(kind: str) -> list[Path]:
    """Every folder of one kind; what an earlier one holds goes before a later one's. No package changes ours."""
    return [*own(kind), shipped(kind), *brought(kind)]


def checked(folder: Path) -> Path:
    """The absolute path of a folder to include. Raises UserError where it holds neither kind."""
    folder = folder.expanduser()
    if not any((folder / kind).is_dir() for kind in BROUGHT):
        what = "has neither baselines/ nor tasks/" if folder.is_dir() else "there is no such folder"
        raise UserError(what, where=f"--include {folder}", fix="a folder with baselines/, tasks/ or both in it")
    return folder.resolve()


def _named_folder(point: EntryPoint, kind: str) -> Path:
    """The folder that an entry point names: a package that holds YAML files, or a path."""
    target = load(point, f"folder of {kind}")
    if isinstance(target, ModuleType) and hasattr(target, "__path__"):
        target = next(iter(target.__path__), None)
    if not isinstance(target, str | Path) or not Path(target).is_dir():
        raise UserError(
            f"the plug-in of {distribution(point)} names no folder: {target!r}",
            where=f"entry point {point.name!r} of {point.group}",
            fix="a package with YAML files, or a path",
        )
    return Path(target)
