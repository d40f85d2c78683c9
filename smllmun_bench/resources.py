"""Where the files lie that ship with the package: in the wheel, or at the top of a checkout."""

from pathlib import Path

KINDS = ("baselines", "results", "store", "tasks")


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
