"""What must not matter: threads, batch size, jobs, locale, hash seed. Where rounding may show, it is said."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from commands import World, call, difference, results, run_command
from figures import Figure

LOCALES = (
    {"LC_ALL": "C"},
    {"LC_ALL": "C.UTF-8"},
    {"LC_ALL": "de_DE.UTF-8"},
    {"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu"},
)


def settings(world: World, right: dict[str, str], share: float) -> Iterator[Figure]:
    seeds = ("0", "1", "4294967295")[: max(1, round(3 * share))]
    yield _same(world, right, "PYTHONHASHSEED", [({"PYTHONHASHSEED": seed}, ()) for seed in seeds])
    yield _same(world, right, "locale and time zone", [(each, ()) for each in LOCALES[: max(1, round(4 * share))]])
    if share < 1:
        return
    yield _same(world, right, "--jobs 2", [({}, ("--jobs", "2"))])
    yield _batches(world)
    yield _threads(world, right)


def _same(
    world: World, right: dict[str, str], what: str, cases: list[tuple[dict[str, str], tuple[str, ...]]]
) -> Figure:
    figure = Figure("same bytes", what)
    for changes, more in cases:
        store, output = world.store("settings"), world.folder / "settings" / "out"
        command = run_command(store, output, *more)
        fault = call(command, changes=changes).fault(0) or difference(results(output), right)
        figure.count(fault and f"{changes} {fault}\n  {shlex.join(command)}")
    return figure


def _batches(world: World) -> Figure:
    """Another batch size may round log-probabilities in another way: texts and scores are the same."""
    figure = Figure("same text", "batch sizes 1, 7, 64")
    seen = []
    for size in (64, 1, 7):
        store, output = world.store("batches"), world.folder / "batches" / "out"
        command = run_command(store, output, "--batch-size", size, "--limit", "4")
        fault = call(command).fault(0)
        seen.append(_texts(output))
        fault = fault or ("other texts than with 64 at a time" if seen[-1] != seen[0] else None)
        figure.count(fault and f"{fault}\n  {shlex.join(command)}")
    return figure


def _texts(output: Path) -> dict[str, list[str]]:
    return {
        path.parent.name.partition("-")[0]: pq.read_table(path).column("text").to_pylist()
        for path in output.glob("*/predictions.parquet")
    }


def _threads(world: World, right: dict[str, str]) -> Figure:
    """Two threads may add in another order. What then differs is said here, and the manifest tells the threads."""
    figure = Figure("threads", "two threads instead of one")
    store, output = world.store("threads"), world.folder / "threads" / "out"
    command = run_command(store, output)
    done = call(command, changes={"OMP_NUM_THREADS": "2"})
    fault = done.fault(0)
    differs = sorted({Path(name).name for name, digest in results(output).items() if right.get(name) != digest})
    figure.told = f"differs: {', '.join(differs)}" if differs else "no byte differs"
    manifests = [path.read_text() for path in output.glob("npo-*/manifest.json")]
    if fault is None and not all('"threads": "2"' in text for text in manifests):
        fault = "the manifest does not tell the number of threads"
    figure.count(fault and f"{fault}\n  OMP_NUM_THREADS=2 {shlex.join(command)}")
    return figure
