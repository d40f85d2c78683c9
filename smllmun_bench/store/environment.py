"""With which software, on what machine, and at what cost a stage ran. Recorded beside results, never part of a key."""

import ctypes
import functools
import gc
import hashlib
import os
import platform
import re
import resource
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from smllmun_bench.config import Frozen

_PACKAGES = (
    "smllmun-bench", "accelerate", "datasets", "numpy", "peft", "pillow", "pyarrow", "pydantic",
    "rapidfuzz", "safetensors", "scipy", "tokenizers", "torch", "transformers",
)  # fmt: skip
_PACKAGE = Path(__file__).parents[1]
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Environment(Frozen):
    """`git_commit` is None outside a checkout and ends in `-dirty` if tracked files differ from it; `source` is the
    SHA-256 of the package's own Python files; `gpus` is empty as long as nothing has loaded torch."""

    python: str
    platform: str
    host: str
    cpus: int
    threads: str
    packages: dict[str, str]
    gpus: tuple[str, ...]
    git_commit: str | None
    source: str


def environment() -> Environment:
    """The environment of this process. Imports none of the packages it names."""
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        host=socket.gethostname(),
        cpus=os.cpu_count() or 1,
        threads=_threads(),
        packages=package_versions(),
        gpus=_gpus(),
        git_commit=git_commit(_PACKAGE.parent),
        source=source_digest(),
    )


def _threads() -> str:
    """How many threads torch computes with: the last bits of what it trains depend on it. Without it, the setting."""
    torch = sys.modules.get("torch")
    return os.environ.get("OMP_NUM_THREADS", "") if torch is None else str(torch.get_num_threads())


@functools.cache
def package_versions() -> dict[str, str]:
    """Versions of the packages that can move a number, as far as they are installed."""
    found: dict[str, str] = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def source_digest() -> str:
    """SHA-256 over the names and bytes of the package's Python files."""
    total = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        total.update(f"{path.relative_to(_PACKAGE).as_posix()}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


@functools.cache
def git_commit(folder: Path) -> str | None:
    """The commit that is checked out in `folder`, or None if it is no checkout or has no git or no commit."""
    if not (folder / ".git").exists():
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    return f"{commit}-dirty" if _git(folder, "status", "--porcelain", "--untracked-files=no") else commit


def reset_peak_memory() -> None:
    """Start a new measurement of `peak_memory_mb`, where the system can do that (Linux).

    What earlier work has let go, and the C library still keeps, is given back first, so that it is not counted again.
    """
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
    try:
        _CLEAR.write_text("5")
    except OSError:
        return  # then the peak is that of the whole process: too high at worst, which the reader is told


def peak_memory_mb() -> float:
    """Highest resident memory of this process in MiB since `reset_peak_memory`, else since its start."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
    except OSError:
        found = None
    if found:
        return int(found[1]) / 1024
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _gpus() -> tuple[str, ...]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return ()
    return tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
