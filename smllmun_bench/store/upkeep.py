"""What a store holds and what of it can go: listing, checking, collecting; which keys which run used."""

import json
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue

from smllmun_bench.errors import UserError, nearest
from smllmun_bench.store import atomic
from smllmun_bench.store.atomic import atomic_write
from smllmun_bench.store.store import Store
from smllmun_bench.store.stored_stage import LAYOUT, MANIFEST, Fault, StageManifest, faults_of, manifest_of

HOUR_S = 3600.0
SHORT = 12  # characters of a key: enough to tell them apart
CHANGE = "artifact.safetensors"
_BEFORE = ("artifact", "model", "target", "base")  # names of inputs, the last step first


@dataclass(frozen=True, slots=True)
class Held:
    """A finished folder; `manifest` is None where it cannot be read. `made_by`: what tells it from others of its stage,
    as far as requests say it (method, seed, whose answers)."""

    folder: Path
    bytes: int
    manifest: StageManifest | None
    made_by: str

    @property
    def key(self) -> str:
        return self.folder.name

    @property
    def stage(self) -> str:
        return self.folder.parts[-3]


@dataclass(frozen=True, slots=True)
class Removed:
    """A folder that was, or would be, removed, and why."""

    folder: Path
    bytes: int
    why: str


def held(store: Store) -> list[Held]:
    """All finished folders, shipped ones too. Reads manifests, not outputs."""
    manifests = {folder: _manifest(folder) for folder in store.entries()}
    known: dict[JsonValue, str] = {}  # what later requests name a folder by -> what it is
    for folder, manifest in manifests.items():
        if manifest is not None:
            known[manifest.output_digest] = f"{manifest.stage} {folder.name[:SHORT]}"
            if CHANGE in manifest.outputs and manifest.stage == "unlearn":
                known[manifest.outputs[CHANGE].sha256] = _own(manifest)
    return [
        Held(folder, size(folder), manifest, _made_by(manifest, known) if manifest is not None else "")
        for folder, manifest in manifests.items()
    ]


def by_prefix(store: Store, prefix: str) -> Path:
    """The folder whose key begins so. Raises UserError where there is none, or more than one."""
    folders = [folder for folder in store.entries() if folder.name.startswith(prefix)]
    if not folders:
        close = nearest(prefix, [folder.name for folder in store.entries()])
        raise UserError(
            f"nothing in the store has a key that begins with {prefix!r}",
            where=str(store.root),
            fix=close or "`smllmun-bench store list`",
        )
    if len({folder.name for folder in folders}) > 1:
        raise UserError(f"{len(folders)} keys begin with {prefix!r}", where=str(store.root), fix="more of its letters")
    return folders[0]


def verify(store: Store) -> list[Fault]:
    """Read every byte of every folder and name each file that is not what its manifest says."""
    return [fault for folder in store.entries() for fault in faults_of(folder)]


def collect(
    store: Store, keep: Collection[str] = (), *, older_than_s: float = 0.0, dry_run: bool = False
) -> list[Removed]:
    """Remove what dead processes left, what was set aside as damaged, and folders that are neither kept nor young.

    What another process is making at the moment is left alone, and so is what is younger than `older_than_s`: a run
    that goes on may be using it. Returns what was (or, with `dry_run`, would be) removed.
    """
    layout = store.root / LAYOUT
    doomed = [(folder, "left by a killed process") for folder in sorted((layout / "tmp").glob("*"))]
    doomed += [(folder, "damaged") for folder in sorted((layout / "damaged").glob("*"))]
    doomed += [
        (folder, "used by no recorded run")
        for folder in store.entries()
        if folder.is_relative_to(store.root) and folder.name not in keep and _age_s(folder) >= older_than_s
    ]
    removed = []
    for folder, why in doomed:
        with store.unused(folder.name.split(".")[0]) as free:
            if free and folder.exists():
                removed.append(Removed(folder, size(folder), why))
                if not dry_run:
                    store.discard(folder)
    return removed


def sweep(store: Store) -> None:
    """Remove what killed processes left, before a run begins. A store that cannot be written stays as it is."""
    layout = store.root / LAYOUT
    try:
        for folder in (layout / "tmp").glob("*"):
            with store.unused(folder.name.split(".")[0]) as free:
                if free:
                    store.discard(folder)
        for holder in (layout / "locks").glob("*.holder"):
            with store.unused(holder.stem) as free:
                if free:
                    holder.unlink(missing_ok=True)
        for folder in (layout / "locks", store.root / "runs"):
            atomic.sweep(folder)
    except (OSError, UserError):
        return  # read-only, or somebody else sweeps too: what is left is never read


def record_run(store: Store, slug: str, keys: Collection[str]) -> Path:
    """Note under a readable name which folders a run used, so that `collect(keep=recorded_keys())` spares them."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", slug).strip("-.")[:100]
    path = store.root / "runs" / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{name}.json"
    atomic_write(path, json.dumps({"schema": 1, "keys": sorted(keys)}, indent=1) + "\n")
    return path


def recorded_keys(store: Store) -> set[str]:
    """All keys of all recorded runs. Raises UserError for a file that is none of ours: nothing is guessed."""
    keys: set[str] = set()
    for path in sorted((store.root / "runs").glob("*.json")):
        try:
            keys.update(json.loads(path.read_bytes())["keys"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(f"not a record of a run: {error}", where=str(path), fix="remove the file") from None
    return keys


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def _manifest(folder: Path) -> StageManifest | None:
    try:
        return manifest_of(folder)
    except UserError:
        return None


def _made_by(manifest: StageManifest, known: Mapping[JsonValue, str]) -> str:
    inputs = _inputs(manifest)
    came_from = next((known[inputs[name]] for name in _BEFORE if inputs.get(name) in known), "")
    return " of ".join(part for part in (_own(manifest), came_from) if part)


def _own(manifest: StageManifest) -> str:
    inputs = _inputs(manifest)
    recipe = inputs.get("recipe")
    size = recipe.get("size") if isinstance(recipe, dict) else None
    words = [str(inputs[name]) for name in ("method", "name", "attack") if inputs.get(name) is not None]
    words += [str(size)] if size is not None else []
    words += [f"seed {inputs['seed']}"] if inputs.get("seed") is not None else []
    return ", ".join(words)


def _inputs(manifest: StageManifest) -> dict[str, JsonValue]:
    inputs = manifest.request.get("inputs")
    return inputs if isinstance(inputs, dict) else {}


def _age_s(folder: Path) -> float:
    manifest = folder / MANIFEST
    return time.time() - (manifest if manifest.exists() else folder).stat().st_mtime
