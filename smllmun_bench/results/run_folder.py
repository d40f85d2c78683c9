"""A run folder on disk: manifest, predictions, scored items and scores. Written whole, or not there."""

import json
import os
import re
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from smllmun_bench import runtime
from smllmun_bench.errors import PassedOver, UserError, unknown
from smllmun_bench.results import manifest as manifests
from smllmun_bench.results.manifest import RunManifest
from smllmun_bench.results.scored_items import read_scored_items, score_of
from smllmun_bench.schema import Score
from smllmun_bench.store.atomic import atomic_write, put_folder, sweep, writable_folder, writing

ITEMS, SCORES, LOG = "items.parquet", "scores.json", "log.txt"
LOCK = ".lock"
_LEFT = re.compile(r"\.(.+)\.[0-9a-f]{8}\.(new|old)")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run on disk. `scores` are those of its items where they are at hand, since it was made a moment ago."""

    folder: Path
    manifest: RunManifest
    scores: Sequence[Score] | None = field(default=None, repr=False, compare=False)


def find_runs(root: Path) -> list[RunFolder]:
    """Every run folder below `root` (or `root` itself), in the order of their paths.

    Manifests of other things are passed over, damaged ones of runs with a warning. Raises UserError if `root` is no
    folder.
    """
    if not root.is_dir():
        raise UserError("there is no such folder", where=str(root), fix="the folder that `run --output` wrote to")
    found = []
    for path in sorted(_manifests(root)):
        if _is_run(path):
            try:
                found.append(RunFolder(path.parent, manifests.read(path.parent)))
            except UserError as error:
                warnings.warn(PassedOver(f"left out: {error}"), stacklevel=2)
    return found


def find_run(name: str, root: Path) -> RunFolder:
    """The run in the folder `name`, or the one with that run id below `root`. Raises UserError."""
    if (Path(name) / manifests.FILE).is_file():
        return RunFolder(Path(name), manifests.read(Path(name)))
    runs = find_runs(root) if root.is_dir() else []
    for run in runs:
        if run.manifest.run_id == name:
            return run
    raise unknown("run", name, [run.manifest.run_id for run in runs], where=str(root))


def scores_of(run: RunFolder) -> Sequence[Score]:
    """The scored items of a run. Raises UserError where the file is missing or damaged."""
    return run.scores if run.scores is not None else [score_of(row) for row in read_scored_items(run.folder / ITEMS)]


def replace_folder(final: Path, record: RunManifest, fill: Callable[[Path], None]) -> Path:
    """Write beside the final place and rename: a run folder is whole, or not there. Process 0 of a launch writes.

    Runs that write into one output folder take turns; what killed ones left there is removed. Raises UserError where
    the system does not let us write.
    """
    if runtime.rank() > 0:
        return final
    with writing(final), turn(final.parent):
        temporary = final.with_name(f".{final.name}.{secrets.token_hex(4)}.new")
        temporary.mkdir()
        try:
            fill(temporary)
            atomic_write(temporary / manifests.FILE, record.model_dump_json(indent=1) + "\n")
            put_folder(temporary, final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return final


@contextmanager
def turn(output: Path) -> Iterator[None]:
    """One writer at a time, which first removes what killed ones left."""
    lock = writable_folder(output) / LOCK
    with FileLock(lock):
        try:
            _sweep(output)
            yield
        finally:
            lock.unlink(missing_ok=True)  # whoever waits for it sees that it is gone, and takes the next


def _sweep(output: Path) -> None:
    """What killed runs left; the lock is held, so nobody else is writing. A run that was being replaced comes back. The
    leaderboard is written without the lock: of its halves, those of living processes stay."""
    sweep(output)
    for left in sorted(output.glob(".*"), reverse=True):  # .old before .new
        found = _LEFT.fullmatch(left.name)
        if found and found[2] == "old" and not (output / found[1]).exists():
            left.rename(output / found[1])
        elif found:
            shutil.rmtree(left, ignore_errors=True)


def _manifests(root: Path) -> Iterator[Path]:
    """Every manifest below `root`, but in hidden folders: those are runs that are being replaced, and may vanish.

    Looked up by path: the listing of a folder that is being replaced may already be that of the old one, emptied.
    """
    for folder, below, _ in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        if (Path(folder) / manifests.FILE).is_file():
            yield Path(folder) / manifests.FILE


def _is_run(path: Path) -> bool:
    try:
        return "run_id" in json.loads(path.read_bytes())
    except (OSError, RecursionError, TypeError, ValueError):
        return True  # a damaged one: reading it says what is wrong, passing over it would hide it
