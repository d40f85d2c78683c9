"""Hostile names: labels, folders, task names and questions that try terminals, spreadsheets, pages and paths."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

from commands import METHOD, NANO, World, call, difference, results, run_command
from figures import Figure
from malformed import called

HOSTILE = (
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u202egnp.exe", "\u2066isolated", "a,b;c\td", '"quoted"', "=1+1", "+1+1",
    "-1+1", "@SUM(A1)", '=HYPERLINK("http://x")', "<script>alert(1)</script>", "[bold red]markup[/bold red]",
    "\\input{x}$&%#_", "line\nline", "r\rr", "../../up", "..", "/etc/passwd", "~", "$(touch x)", "`id`", "%s%n", "{0}",
    "nul", "é", "e\u0301", "日本語", "\U0001f600", "a" * 200, " ", " blank ", "--option", "-m", "*", "?", "\u200b",
    "\ufeff", "\x7f", "\x9b31m",
)  # fmt: skip
SHOWN = (("leaderboard", "RUNS", "--csv", "CSV"), ("show", "RUN"), ("compare", "TARGET", "RUN"))


def names(world: World, random: Random, output: Path, share: float) -> Iterator[Figure]:
    chosen = list(HOSTILE) if share >= 1 else random.sample(HOSTILE, max(1, round(share * len(HOSTILE))))
    yield _labels(world, output, chosen)
    yield _answers(world, output, chosen)
    yield _paths(world, output, chosen)
    yield _tasks(world, output, chosen)


def _labels(world: World, output: Path, chosen: list[str]) -> Figure:
    """As the label, the task and the error of a run whose manifest somebody sent."""
    figure = Figure("names", "label, task and error of a run")
    folder, store = world.fresh("labels"), world.template
    for name in chosen:
        runs, table = folder / "runs", folder / "table.csv"
        shutil.rmtree(runs, ignore_errors=True)
        shutil.copytree(output, runs)
        run, target = next(runs.glob("npo-*")), next(runs.glob("target-*"))
        for each in runs.glob("*/manifest.json"):
            manifest = json.loads(each.read_bytes()) | {"task": name, "model": name}
            each.write_text(json.dumps(manifest | ({"label": name} if each.parent == run else {})))
        places = {"RUNS": str(runs), "RUN": str(run), "TARGET": str(target), "CSV": str(table)}
        faults = [called([places.get(part, part) for part in command], store, (0, 2)) for command in SHOWN]
        faults += [_formula(table)] if table.exists() else []
        table.unlink(missing_ok=True)
        figure.count(next((f"{name!r}: {fault}" for fault in faults if fault), None))
    return figure


def _formula(table: Path) -> str | None:
    """A cell that a spreadsheet would run."""
    with table.open(newline="", encoding="utf-8") as stream:
        cells = [cell for row in csv.reader(stream) for cell in row]
    active = [cell for cell in cells if cell[:1] in set("=+-@\t\r") and not _number(cell)]
    return f"a formula in the CSV: {active[0]!r}" if active else None


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _answers(world: World, output: Path, chosen: list[str]) -> Figure:
    """As what a model said: each question gets another of the names, in each round another."""
    import pyarrow.parquet as pq

    figure = Figure("names", "as answers of a model")
    folder = world.fresh("answers")
    rows = pq.read_table(next(output.glob("npo-*")) / "predictions.parquet").to_pylist()
    target = str(next(output.glob("target-*")))
    for turn in range(0, len(chosen), 5):
        path, saved = folder / "answers.jsonl", folder / f"scored-{turn}"
        said = [row | {"text": chosen[(place + turn) % len(chosen)]} for place, row in enumerate(rows)]
        path.write_text("".join(json.dumps(row) + "\n" for row in said))
        commands = [
            ["score", str(path), "--task", "smllmun-nano", "--output", str(saved)],
            ["compare", str(saved / "items.parquet"), target],
        ]
        faults = [called(command, world.template, (0,)) for command in commands]
        figure.count(next((f"turn {turn}: {fault}" for fault in faults if fault), None))
    return figure


def _paths(world: World, output: Path, chosen: list[str]) -> Figure:
    """As a folder that holds the runs: found, shown, scored."""
    figure = Figure("names", "a folder with runs")
    for name in chosen:
        folder = world.fresh("paths") / "top"
        place = folder / name.replace("/", "∕").replace("\0", "")
        if place.resolve().parent != folder.resolve():
            place = folder / f"x{name.replace('/', '∕')}"
        shutil.copytree(output, place)
        run = next(place.glob("npo-*"))
        commands = [
            ["leaderboard", "--", str(place)],
            ["show", "--", str(run)],
            ["score", str(run / "predictions.parquet"), "--task", "smllmun-nano"],
        ]
        faults = [called(command, world.template, (0,)) for command in commands]
        figure.count(next((f"{name!r}: {fault}" for fault in faults if fault), None))
    return figure


def _tasks(world: World, output: Path, chosen: list[str]) -> Figure:
    """As whatever the command line takes a name for: one message."""
    figure = Figure("names", "task, method, model, run, key")
    answers = str(next(output.glob("npo-*")) / "predictions.parquet")
    for name in chosen:
        commands = [
            ["score", answers, f"--task={name}"],
            ["run", f"--method={name}", *NANO, "--output", str(world.folder / "never")],
            ["run", *METHOD, f"--model={name}", "--output", str(world.folder / "never")],
            ["show", "--results", str(output), "--", name],
            ["store", "path", "--store", str(world.template), "--", name],
        ]
        faults = [called(command, world.template, (1, 2)) for command in commands]
        figure.count(next((f"{name!r}: {fault}" for fault in faults if fault), None))
    return figure


def blanks(world: World, right: dict[str, str], number: int) -> Figure:
    """A whole run whose store and output have such names gives the same bytes."""
    figure = Figure("same bytes", "paths with blanks, unicode, signs")
    for name in ("a b", "ü 日本 e\u0301", "[x] 'q' \"r\" $HOME *", "=1+1,;")[:number]:
        store = world.store(name)
        done = call(run_command(store, world.folder / name / "out put"))
        figure.count(done.fault(0) or difference(results(world.folder / name / "out put"), right))
    return figure
