"""The command line as a subprocess on the nano model, and what of its results has to be the same bytes."""

import csv
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
NANO = ("--model", "nano", "--task", "smllmun-nano")
METHOD = ("--method", "npo", "--set", "training.steps=2")
MEASURED = {"fit_seconds", "peak_memory_mb"}  # columns of a leaderboard that no two runs share
TRACEBACK = "Traceback (most recent call last)"
PATIENCE_S = 600.0


@dataclass(frozen=True)
class Done:
    code: int
    stdout: str
    stderr: str

    def fault(self, *allowed: int) -> str | None:
        """What is wrong with the way in which it ended; the exit codes that are right are given."""
        text = self.stdout + self.stderr
        if TRACEBACK in text:
            return "a traceback: " + text.strip().splitlines()[-1]
        if self.code not in allowed:
            return f"exit code {self.code}: " + (text.strip().splitlines() or ["(no word)"])[-1]
        return None


@dataclass(frozen=True)
class World:
    """`template`: a store with base, target and gold and their predictions. Copied before anything is done to it."""

    folder: Path
    template: Path

    def store(self, name: str) -> Path:
        return Path(shutil.copytree(self.template, self.fresh(name) / "store"))

    def fresh(self, name: str) -> Path:
        """An empty folder of that name."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def run_command(store: Path, output: Path, *more: object, method: Sequence[str] = METHOD) -> list[str]:
    return ["run", *NANO, *method, "--store", str(store), "--output", str(output), "--quiet", *map(str, more)]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "160", "TERM": "dumb"} | dict(changes or {})


def begin(
    arguments: Sequence[str], *, changes: Mapping[str, str] | None = None, dies_at: int | None = None
) -> "subprocess.Popen[str]":
    """Start a command; `dies_at` lets it die of SIGKILL before that change of the disk (`dying.py`)."""
    how = ["-m", "smllmun_bench"] if dies_at is None else [str(HERE / "dying.py"), str(dies_at)]
    return subprocess.Popen(
        [sys.executable, *how, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment(changes),
    )


def finish(process: "subprocess.Popen[str]") -> Done:
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    return Done(process.returncode, stdout, stderr)


def call(arguments: Sequence[str], *, changes: Mapping[str, str] | None = None, dies_at: int | None = None) -> Done:
    return finish(begin(arguments, changes=changes, dies_at=dies_at))


def results(output: Path) -> dict[str, str]:
    """File -> SHA-256 of what a rerun has to repeat: predictions, items and scores; leaderboards without costs."""
    found = {}
    for path in sorted(output.rglob("*")):
        name = str(path.relative_to(output))
        if path.name in {"predictions.parquet", "items.parquet", "scores.json"}:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as stream:
                rows = [{key: row[key] for key in row if key not in MEASURED} for row in csv.DictReader(stream)]
            found[name] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


def difference(found: Mapping[str, str], right: Mapping[str, str]) -> str | None:
    wrong = sorted(name for name in found.keys() | right.keys() if found.get(name) != right.get(name))
    return f"other bytes in {', '.join(wrong)}" if wrong else None


def leftovers(output: Path) -> str | None:
    """What an output folder must not hold once a run has ended well: something half made."""
    known = {"predictions.parquet", "items.parquet", "scores.json", "manifest.json", "leaderboard.csv"}
    extra = [str(p.relative_to(output)) for p in output.rglob("*") if p.is_file() and p.name not in known]
    logs = {"log.txt", "history.jsonl", "history.csv"}
    extra = [name for name in extra if Path(name).name not in logs and not name.endswith(".lock")]
    return f"left behind: {', '.join(sorted(extra))}" if extra else None
