"""One folder of the store: the request it answers, its manifest, how it is sealed, read and checked.

Knows nothing of locks, layers and of who makes it.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, JsonValue, ValidationError

from smllmun_bench.config import Frozen
from smllmun_bench.errors import UserError
from smllmun_bench.store.atomic import atomic_write, fsync
from smllmun_bench.store.environment import Environment, environment
from smllmun_bench.store.hashing import Json, digest, file_digest, files_below

LAYOUT = "v1"
MANIFEST = "manifest.json"
RESERVED = ("locks", "tmp", "damaged")


@dataclass(frozen=True, slots=True)
class Request:
    """What a stage is asked to make; equal requests, equal keys. `inputs` name upstream folders by output digest."""

    stage: str
    version: int
    inputs: Mapping[str, Json]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", self.stage) or self.stage in RESERVED:
            raise ValueError(f"not a name for a stage: {self.stage!r}")

    def as_json(self) -> dict[str, Json]:
        return {"stage": self.stage, "version": self.version, "inputs": self.inputs}

    @property
    def key(self) -> str:
        """32 hex digits of the canonical request."""
        return digest(self.as_json())


def _inside(name: str) -> str:
    """A plain relative name: a manifest that somebody wrote by hand leads to no file outside its folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or path.as_posix() != name or name in (".", MANIFEST):
        raise ValueError(f"{name!r} is not a file of this folder")
    return name


OutputName = Annotated[str, AfterValidator(_inside)]


class Output(Frozen):
    sha256: str
    bytes: int


class StageManifest(Frozen):
    """What lies in a folder, from what and how it was made. `seconds` is wall time of `make` alone.

    `peak_memory_mb` is resident memory of the host process; `output_digest` is over names and bytes of the outputs.
    """

    schema_: Literal[1] = Field(default=1, alias="schema")
    stage: str
    version: int
    key: str
    request: dict[str, JsonValue]
    outputs: dict[OutputName, Output]
    output_digest: str
    environment: Environment
    seconds: float
    peak_memory_mb: float
    created: AwareDatetime


@dataclass(frozen=True, slots=True)
class StoredStage:
    """A finished folder."""

    path: Path
    key: str
    manifest: StageManifest

    @property
    def digest(self) -> str:
        """What downstream requests name this folder by: equal bytes, equal digest, however they came about."""
        return self.manifest.output_digest


@dataclass(frozen=True, slots=True)
class Fault:
    """A file or folder of the store that is not what its manifest says."""

    path: Path
    what: str


def folder_of(layer: Path, stage: str, key: str) -> Path:
    return layer / LAYOUT / stage / key[:2] / key


def seal(
    folder: Path, request: Request, seconds: float, peak: float, checkpoint: Callable[[str], None]
) -> StageManifest:
    """fsync and hash all that was made, then write the manifest."""
    names = files_below(folder)
    if MANIFEST in names:
        raise ValueError(f"{request.stage}: {MANIFEST} is the store's own file; a stage may not write it")
    outputs: dict[str, Output] = {}
    for name in names:
        path = folder / name
        fsync(path)
        outputs[name] = Output(sha256=file_digest(path), bytes=path.stat().st_size)
    checkpoint("synced")
    manifest = StageManifest(
        stage=request.stage,
        version=request.version,
        key=request.key,
        request=_plain(request.as_json()),
        outputs=outputs,
        output_digest=_output_digest(outputs),
        environment=environment(),
        seconds=seconds,
        peak_memory_mb=peak,
        created=datetime.now(UTC),
    )
    atomic_write(folder / MANIFEST, manifest.model_dump_json(by_alias=True, indent=1) + "\n")
    for path in folder.rglob("*"):
        if path.is_dir():
            fsync(path)
    checkpoint("manifest")
    return manifest


def _plain(value: Mapping[str, Json]) -> dict[str, JsonValue]:
    """The request as lists and dicts."""
    found: dict[str, JsonValue] = json.loads(json.dumps(value, default=dict))
    return found


def _output_digest(outputs: Mapping[str, Output]) -> str:
    return digest({name: output.sha256 for name, output in outputs.items()})


def _read_manifest(folder: Path) -> StageManifest | str:
    """The manifest, or what is wrong with it."""
    try:
        manifest = StageManifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return "no manifest: not finished, or damaged; never read"
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return f"not a manifest: {'.'.join(map(str, first['loc']))} {first['msg']}"
    if manifest.key != folder.name or digest(manifest.request) != folder.name:
        return "its request does not belong to this key"
    return manifest


def manifest_of(folder: Path) -> StageManifest:
    """What a folder says about itself; its files are not read. Raises UserError where that is damaged."""
    manifest = _read_manifest(folder)
    if isinstance(manifest, str):
        raise _damaged(Fault(folder / MANIFEST, manifest))
    return manifest


def read_entry(folder: Path, sha256: Callable[[Path], str] = file_digest) -> StoredStage:
    """A finished folder, every byte of it checked. Raises UserError for the first fault."""
    for fault in faults_of(folder, sha256):
        raise _damaged(fault)
    return StoredStage(folder, folder.name, manifest_of(folder))


def faults_of(folder: Path, sha256: Callable[[Path], str] = file_digest) -> Iterator[Fault]:
    """Whatever in the folder is not what its manifest says; reads every byte, by `sha256`."""
    manifest = _read_manifest(folder)
    if isinstance(manifest, str):
        yield Fault(folder / MANIFEST, manifest)
        return
    if _output_digest(manifest.outputs) != manifest.output_digest:
        yield Fault(folder / MANIFEST, "output_digest does not fit the outputs")
    try:
        present = set(files_below(folder)) - {MANIFEST}
    except UserError as error:
        yield Fault(Path(error.where), error.what)
        return
    for name in sorted(present - manifest.outputs.keys()):
        yield Fault(folder / name, "not in the manifest")
    for name, output in manifest.outputs.items():
        path = folder / name
        if name not in present:
            yield Fault(path, "missing")
        elif path.stat().st_size != output.bytes:
            yield Fault(path, f"{path.stat().st_size} bytes, expected {output.bytes}")
        elif sha256(path) != output.sha256:
            yield Fault(path, "its bytes are not those that were made")


def _damaged(fault: Fault) -> UserError:
    return UserError(
        f"damaged file in the store: {fault.what}",
        where=str(fault.path),
        fix="`smllmun-bench store verify` for all that is damaged; a run sets it aside and makes it again",
    )
