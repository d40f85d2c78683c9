"""What of a run is not the work of a model: `run --method smfa` in a new store, beside the models that are shipped.

    python bench/overhead.py [--model toy] [--task smllmun-toy] [--method smfa] [--json]

Each moment counts for the innermost part that it falls into. The work of models is what a stage does to fill its folder
(training, asking, preparing pixels, reading and writing weights) less the imports, hashing and reading of data inside;
all else is overhead. `ratio` is the whole run over that: 20 is 5 %. Equal: the run gave all of its folders.
"""

import argparse
import builtins
import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _result import parser, result, show

from smllmun_bench.store.store import default_root

MODEL = "model: "
# module, attribute or Class.method, part. Names are patched where they are looked up.
PARTS = (
    ("store.store", "Store.find", "store"),
    ("store.upkeep", "record_run", "store"),
    ("store.store", "seal", "hashing and sealing"),
    ("stages.predicting", "read_predictions", "store"),
    ("stages.loader", "reference", "hashing and sealing"),
    ("stages.loader", "_vision_digest", "hashing and sealing"),
    ("stages.predicting", "digest", "hashing and sealing"),
    ("stages.unlearning_inputs", "digest", "hashing and sealing"),
    ("experiments.run", "digest", "hashing and sealing"),
    ("experiments.run", "source_digest", "hashing and sealing"),
    ("experiments.run", "environment", "hashing and sealing"),
    ("data.combined", "TaskData.__init__", "items and their digests"),
    ("data.combined", "TaskData.training", "items and their digests"),
    ("data.combined", "TaskData.evaluation", "items and their digests"),
    ("data.combined", "TaskData.general_training", "items and their digests"),
    ("data.combined", "TaskData.training_digest", "items and their digests"),
    ("data.combined", "TaskData.evaluation_digest", "items and their digests"),
    ("experiments.run", "score_items", "scoring"),
    ("experiments.run", "summarise", "scoring"),
    ("experiments.run", "gate", "scoring"),
    ("experiments.run", "to_gold", "scoring"),
    ("experiments.run", "_write", "run folders"),
    ("results.leaderboard", "standings", "intervals"),
    ("cli.run", "_show", "tables"),
)


class Clock:
    """Seconds by part; the innermost part that is open is charged."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._open, self._since = ["rest"], time.perf_counter()

    def charge(self) -> None:
        now = time.perf_counter()
        self.spent[self._open[-1]] += now - self._since
        self._since = now

    def timed(self, work: Callable[..., Any], part: str) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            self.charge()
            self._open.append(part)
            try:
                return work(*args, **more)
            finally:
                self.charge()
                self._open.pop()

        return call


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--model", default="toy")
    options.add_argument("--task", default="smllmun-toy")
    options.add_argument("--method", default="smfa")
    options.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    run = ["run", "--quiet", "--model", arguments.model, "--task", arguments.task, "--method", arguments.method]
    if arguments.inside:
        _inside(arguments.inside, run)
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if (usual := default_root() / "models").is_dir():  # language models that were fetched before
            (place / "store").mkdir()
            (place / "store" / "models").symlink_to(usual)
        more = ["--model", arguments.model, "--task", arguments.task, "--method", arguments.method]
        command = [sys.executable, __file__, "--inside", folder, *more]
        started = time.perf_counter()
        if code := subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
            sys.exit(code)  # it has said why
        whole = time.perf_counter() - started
        spent: dict[str, float] = json.loads((place / "spent.json").read_text())
        complete = len(list((place / "runs").glob("*/manifest.json"))) == 4  # base, target, gold and the method
    spent["starting and ending the process"] = whole - sum(spent.values())
    overhead = sum(cost for part, cost in spent.items() if not part.startswith(MODEL))
    show([result("overhead of a run", overhead, whole, "s", equal=complete)], as_json=arguments.json)
    if not arguments.json:
        for part, cost in sorted(spent.items(), key=lambda entry: -entry[1]):
            print(f"  {part:36} {cost:7.2f} s {cost / whole:6.1%}")


def _inside(folder: Path, run: list[str]) -> None:
    """The run in this process, its parts timed; the seconds of each go to a file."""
    clock = Clock()
    usual = builtins.__import__
    timed = clock.timed(usual, "imports")

    def imported(name: str, *args: Any, **more: Any) -> Any:
        return (usual if name in sys.modules else timed)(name, *args, **more)  # most are there already

    builtins.__import__ = imported
    importlib.import_module = clock.timed(importlib.import_module, "imports")
    for module, path, part in PARTS:
        *inside, name = path.split(".")
        owner = importlib.import_module(f"smllmun_bench.{module}")
        for each in inside:
            owner = getattr(owner, each)
        setattr(owner, name, clock.timed(getattr(owner, name), part))
    _time_stages(clock)
    app = importlib.import_module("smllmun_bench.cli.main").app
    try:
        code = app([*run, "--store", str(folder / "store"), "--output", str(folder / "runs")], standalone_mode=False)
        if code:
            sys.exit(code)
    finally:
        clock.charge()
        (folder / "spent.json").write_text(json.dumps(clock.spent))


def _time_stages(clock: Clock) -> None:
    from smllmun_bench.store.store import Request, Store

    usual = Store.get_or_make

    def get_or_make(self: Store, request: Request, make: Callable[[Path], None], **more: Any) -> Any:
        return usual(self, request, clock.timed(make, MODEL + request.stage), **more)

    Store.get_or_make = clock.timed(get_or_make, "store")  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
