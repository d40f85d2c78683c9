"""What a notebook calls: run methods, read runs, tables as data frames. Thin over the rooms below; prints nothing."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smllmun_bench.errors import UserError
from smllmun_bench.results.run_folder import RunFolder, find_runs
from smllmun_bench.schema import Fold, Item, Prediction, Score

if TYPE_CHECKING:
    import pandas as pd

    from smllmun_bench.methods.base import Method
    from smllmun_bench.stages.method_recipes import Chosen
    from smllmun_bench.tasks import TaskSpec

RUNS = Path("results/runs")
Runs = str | Path | Iterable[RunFolder]


def run(
    method: "str | Method[Any] | Sequence[str | Method[Any]]",
    model: str = "toy",
    task: str | None = None,
    *,
    seeds: int | Sequence[int] = 1,
    forget_ratio: int | None = None,
    settings: Sequence[str] = (),
    output: str | Path = RUNS,
    jobs: int = 1,
    online: bool = False,
    **options: Any,
) -> list[RunFolder]:
    """Base, target and gold are asked, methods unlearn and are asked, all is scored: the folders of all runs.

    Args:
        method: names (`smfa`, `smfa@random`), objects of your own, or a list of both.
        model: a registered model, or a folder; `target=` and `gold=` name folders that have memorised already.
        task: a registered task or a YAML file; the one that the model is made for.
        seeds: how many, or which.
        forget_ratio: percent of the people; the task's default.
        settings: `key=value` of the methods' settings.
        output: folder for the runs.
        jobs: processes that unlearn at the same time.
        online: allow looking at the model hub.
        options: further fields of `experiments.session.RunOptions`: limit, batch_size, device, dtype, store, data, …

    Raises UserError. A method whose training fails is a folder whose manifest says so.
    """
    from smllmun_bench.experiments.run import run as run_all
    from smllmun_bench.experiments.session import RunOptions, fill_store, open_session, record, stay_offline
    from smllmun_bench.store.atomic import writable_folder

    if not online:
        stay_offline()
    folder = writable_folder(Path(output))
    wanted = [method] if isinstance(method, str) or not isinstance(method, Sequence) else list(method)
    chosen = [_chosen(one, Path(model).name, tuple(settings)) for one in wanted]
    which = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    asked = RunOptions(model, task, forget_ratio, **options)
    session = open_session(asked)
    fill_store(session, asked, [(choice, seed) for choice in chosen for seed in which], jobs)
    finished = [done.as_run() for done in run_all(session.context, chosen, which, session.percent, folder)]
    if why_not := record(session, session.context.task.name):
        warnings.warn(why_not, stacklevel=2)
    return finished


def runs(folder: str | Path = RUNS) -> list[RunFolder]:
    """Every run folder below `folder`: their manifests; `scores_of` reads a run's items."""
    return find_runs(Path(folder))


def leaderboard(of: Runs = RUNS) -> "pd.DataFrame":
    """A row per method (seeds together), best first, as in `leaderboard.csv`, then the interval of each column, as
    `<column>_low` and `<column>_high`; `attrs["left_out"]` says what is in no row, and why.

    Of a folder, what may be published: all items, the test people. Of runs that are given, all that is done. Raises
    UserError where no run is finished.
    """
    from smllmun_bench.results import leaderboard as board

    fit, unfit = board.publishable(find_runs(Path(of))) if isinstance(of, str | Path) else (list(of), [])
    rows, out = board.standings(fit)
    if not rows:
        raise UserError("there is no finished run", where=str(of), fix='run("smfa")')
    frame = board.frame(rows)
    frame.attrs["left_out"] = {str(left.run.folder): left.why for left in [*unfit, *out]}
    return frame


def compare(a: str | Path | RunFolder, b: str | Path | RunFolder, results: str | Path = RUNS) -> "pd.DataFrame":
    """b against a on the same items: a row per column with its paired difference, interval and p (Holm).

    `attrs` has `turned` (role, state in a, state in b, how many), `flips` (a record per item) and `notes`. Raises
    UserError unless both were asked the same items of the same data.
    """
    from smllmun_bench.results import compare as comparing

    sides = [
        comparing.open_side(str(one.folder if isinstance(one, RunFolder) else one), Path(results)) for one in (a, b)
    ]
    found = comparing.compare(*sides)
    frame = comparing.frame(found)
    frame.attrs |= {"turned": found.turned, "flips": [asdict(flip) for flip in found.flips], "notes": found.notes}
    return frame


def load_task(name: str | Path) -> "TaskSpec":
    """A registered task, or a YAML file. Raises UserError with all faults of the file."""
    from smllmun_bench import tasks

    return tasks.load(name)


def items(
    task: str,
    *,
    forget_ratio: int | None = None,
    data: str | Path | None = None,
    fold: Fold = Fold.TEST,
    limit: float | None = None,
) -> list[Item]:
    """The questions of a task, in the order in which models are asked."""
    from smllmun_bench.data.combined import TaskData
    from smllmun_bench.experiments.session import open_task
    from smllmun_bench.stages.predicting import limited

    spec, percent = open_task(task, forget_ratio)
    return limited(TaskData(spec, percent, Path(data) if data is not None else None).evaluation(fold), limit)


def score(predictions: str | Path | Sequence[Prediction], task: str, **which: Any) -> list[Score]:
    """Score predictions of a task's questions; `which` is what `items` takes. Loads no model.

    The numbers are those of a run, byte for byte. Raises UserError for a question that has no prediction.
    """
    from smllmun_bench.experiments.session import open_task
    from smllmun_bench.results.predictions import read_predictions
    from smllmun_bench.scoring.items import score_items

    spec, _ = open_task(task, which.get("forget_ratio"))
    answers = read_predictions(Path(predictions)) if isinstance(predictions, str | Path) else predictions
    return score_items(items(task, **which), answers, spec.metrics, directions=spec.direction)


def _chosen(method: "str | Method[Any]", model: str, settings: tuple[str, ...]) -> "Chosen":
    from smllmun_bench.config import apply_overrides
    from smllmun_bench.stages import method_recipes

    if isinstance(method, str):
        return method_recipes.choose(method, model, settings)
    config = apply_overrides(method.config(), settings)
    return method_recipes.Chosen(method.name, method, config, "given as an object", "by hand" if settings else "")
