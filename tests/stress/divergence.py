"""Training that cannot go well: told as what it is, in the table or in one message, and no score made of it."""

import json
import shlex
from pathlib import Path
from random import Random

from commands import World, call, run_command
from figures import Figure
from malformed import data_set

# what, the method and its settings
CASES = {
    "learning rate 1e3": ("npo", ("training.lr=1e3", "training.steps=8")),
    "learning rate 1e30": ("ga", ("training.lr=1e30", "training.steps=8")),
    "a loss that is no number": ("npo", ("beta=1e-300", "training.steps=4", "training.lr=1e3")),
    "ascent without end": ("ga", ("training.steps=60", "training.lr=1e-1", "training.max_grad_norm=1e9")),
    "clipped to nothing": ("grad-diff", ("training.steps=2", "training.max_grad_norm=1e-30")),
    "weights decayed away": ("npo", ("training.steps=8", "training.weight_decay=1e6", "training.lr=1e-2")),
}
FEW = ((1, 0), (1, 1), (0, 1), (3, 0), (0, 0))  # people who ask to be forgotten, and people of each pool to retain


def divergence(world: World, random: Random, share: float) -> Figure:
    figure = Figure("divergence", "a run that cannot go well")
    names = list(CASES) if share >= 1 else random.sample(list(CASES), max(1, round(share * len(CASES))))
    store = world.store("divergence")
    for number, name in enumerate(names):
        method, settings = CASES[name]
        output = world.folder / "divergence" / str(number)
        sets = tuple(part for setting in settings for part in ("--set", setting))
        command = run_command(store, output, method=("--method", method, *sets))
        done = call(command)
        fault = done.fault(0, 1, 2) or _told(output, done.code)
        figure.count(fault and f"{name}: {fault}\n  {shlex.join(command)}")
    return figure


def few_people(world: World, number: int) -> Figure:
    """One person, two, nobody, nobody to retain: n/a where nothing was asked, or one message."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    figure = Figure("divergence", "one person, nobody to retain")
    store = world.store("few-store")
    models = ("--target", _target(world), "--gold", _target(world))
    for forget, retain in FEW[:number]:
        folder = world.fresh("few")
        rows = data_set(folder)
        lines = pq.read_table(rows).to_pylist()
        kept: set[str] = set()
        for fold in dict.fromkeys(line["fold"] for line in lines):
            people = dict.fromkeys(line["entity_id"] for line in lines if line["fold"] == fold)
            most = forget if fold == "forget" else retain if fold.startswith("retain") else len(people)
            kept.update(list(people)[:most])
        table = pq.read_table(rows)
        pq.write_table(table.filter(pc.is_in(table["entity_id"], value_set=pa.array(sorted(kept)))), rows)
        command = run_command(
            store, folder / "out", "--task", folder / "own-set.yaml", "--data", folder / "set", *models
        )
        done = call(command)
        fault = done.fault(0, 1, 2) or _told(folder / "out", done.code)
        figure.count(fault and f"{forget} to forget, {retain} to retain: {fault}\n  {shlex.join(command)}")
    return figure


def _target(world: World) -> Path:
    """Any model that stands for target and gold: nothing is trained for a handful of people."""
    return next((world.template / "v1" / "memorise").glob("*/*/config.json")).parent


def _told(output: Path, code: int) -> str | None:
    """A method's run either failed, and says so, or has numbers everywhere; NaN is no score."""
    runs = [json.loads(path.read_bytes()) for path in output.glob("*/manifest.json")]
    methods = [run for run in runs if run["label"] not in {"base", "target", "gold"}]
    for run in methods:
        if run["status"] == "failed" and (code == 0 or not run["error"]):
            return f"a failed run, exit code {code}, error {run['error']!r}"
        if "NaN" in json.dumps(run["vector"]) or "Infinity" in json.dumps(run["vector"]):
            return "a score that is no number"
    return None if methods or code == 2 else "no row for the method"
