"""Training that cannot go well: told as what it is, in the table or in one message, and no score made of it."""

import json
import shlex
from pathlib import Path
from random import Random

from commands import World, call, run_command
from figures import Figure

# what, the method and its settings
CASES = {
    "learning rate 1e3": ("npo", ("training.lr=1e3", "training.steps=8")),
    "learning rate 1e30": ("ga", ("training.lr=1e30", "training.steps=8")),
    "a loss that is no number": ("npo", ("beta=1e-300", "training.steps=4", "training.lr=1e3")),
    "ascent without end": ("ga", ("training.steps=60", "training.lr=1e-1", "training.max_grad_norm=1e9")),
    "clipped to nothing": ("grad-diff", ("training.steps=2", "training.max_grad_norm=1e-30")),
    "weights decayed away": ("npo", ("training.steps=8", "training.weight_decay=1e6", "training.lr=1e-2")),
}
FEW = ((1, 15), (2, 99), (1, 99), (2, 50), (3, 99))  # people, and how many of a hundred are forgotten


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
    """Data sets with one person, two, nobody to retain: a row with n/a where nothing was asked, or one message."""
    from ruamel.yaml import YAML

    from smllmun_bench.resources import shipped

    figure = Figure("divergence", "one person, nobody to retain")
    folder, store = world.fresh("few"), world.store("few-store")
    for place, (profiles, percent) in enumerate(FEW[:number]):
        spec = YAML(typ="safe").load((shipped("tasks") / "smllmun-nano.yaml").read_text())
        spec["adapter"]["args"]["profiles"] = profiles
        spec["forget_percents"] = {"available": [percent], "default": percent}
        spec["name"] = f"few-{place}"
        path = folder / f"few-{place}.yaml"
        path.write_text(json.dumps(spec))
        command = run_command(store, folder / f"out-{place}", "--task", path, "--target", _target(world),
                              "--gold", _target(world))  # fmt: skip
        done = call(command)
        fault = done.fault(0, 1, 2)
        figure.count(fault and f"{profiles} people, {percent} %: {fault}\n  {shlex.join(command)}")
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
