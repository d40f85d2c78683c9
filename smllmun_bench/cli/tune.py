"""`smllmun-bench tune`: hyperparameters, chosen on validation people."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smllmun_bench.cli import _options
from smllmun_bench.schema import Fold

if TYPE_CHECKING:
    from rich.console import Console

    from smllmun_bench.cli._session import RunOptions
    from smllmun_bench.experiments.tuning import Point
    from smllmun_bench.report.table import FittedTable
    from smllmun_bench.stages.method_recipes import Chosen


def tune(
    method: Annotated[list[str], typer.Option("--method", "-m", help="Methods, separated by commas; `all`.")],
    model: Annotated[str, typer.Option(help="A registered model, a folder, or a hub id.")] = "toy",
    task: Annotated[
        str | None,
        typer.Option("--task", "-t", help="A registered task or a YAML file; the one that the model is made for."),
    ] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="Points to try of each method; default: all.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value of all points, where the space does not say another.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with the benchmark's files, in upstream's layout.")
    ] = None,
    limit: Annotated[float | None, typer.Option("--limit", "-L", help="Items of each role; below 1 a share.")] = None,
    seed: Annotated[int, typer.Option(help="Of the training, and of the draw of points.")] = 0,
    write: Annotated[bool, typer.Option("--write", help="Save the best as baselines/<method>/<model>.yaml.")] = False,
    write_to: Annotated[
        Path | None, typer.Option(help="Folder for that; the included one, or your configuration directory.")
    ] = None,
    include: _options.Include = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that try points at the same time.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    answer_dtype: Annotated[
        _options.Dtype | None, typer.Option(help="Precision of the answers; default: float32.")
    ] = None,
    store: Annotated[Path | None, typer.Option(help="Where finished stages are kept.")] = None,
    fold: Annotated[Fold, typer.Option(help="Whose scores choose; `test` needs --allow-test-selection.")] = (
        Fold.VALIDATION
    ),
    allow_test_selection: Annotated[
        bool, typer.Option("--allow-test-selection", help="Choose on reported people; the rows will say so.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q")] = False,
) -> None:
    """Search each method's space (baselines/<method>/space.yaml, or space.<model>.yaml) on validation people.

    Test people are never asked.
    """
    from smllmun_bench.cli._session import RunOptions, fill_store, open_context, record, stay_offline
    from smllmun_bench.errors import UserError
    from smllmun_bench.experiments import tuning
    from smllmun_bench.report.console import make_console
    from smllmun_bench.stages import model_cards
    from smllmun_bench.store.atomic import writable_folder

    stay_offline()
    if write_to is not None:
        writable_folder(write_to)
    tuning.check_fold(fold, allow_test=allow_test_selection)
    console = make_console(quiet=quiet)
    searches = _searches(method, model_cards.called(model), tuple(settings or ()), budget, seed)
    asked = answer_dtype and answer_dtype.value
    options = RunOptions(
        model, task, data=data, store=store, device=device, fold=fold, limit=limit, quiet=quiet, answer_dtype=asked
    )
    session = open_context(options, console)
    fill_store(session, options, [(point.chosen, seed) for _, points in searches for point in points], jobs)
    typed = _typed(options, seed, budget, settings or ())
    hopeless: list[str] = []
    for start, points in searches:
        tried = tuning.tune(session.context, points, seed=seed, allow_test=allow_test_selection)
        _tell(console, start, tried, fold)
        if tried[0].overall is None:
            hopeless.append(start.method.name)
        elif write or write_to is not None:
            command = f"smllmun-bench tune --method {start.method.name} {typed}"
            _write(start, tried[0], session.context.card.name, command, fold, write_to)
    record(session, f"tune-{session.context.task.name}")
    console.print(tuning.NOTE if fold is Fold.VALIDATION else tuning.TEST_NOTE)
    if hopeless:
        raise UserError("no point of the space has a defined overall score", where=f"method {', '.join(hopeless)}")


def _searches(
    method: list[str], model: str, settings: tuple[str, ...], budget: int | None, seed: int
) -> "list[tuple[Chosen, list[Point]]]":
    """Every method that is named with the points to try of its space."""
    from smllmun_bench import methods
    from smllmun_bench.errors import UserError
    from smllmun_bench.experiments import tuning
    from smllmun_bench.stages import method_recipes

    named = _options.names(method)
    if not named:
        raise UserError("no method is named", where="--method", fix="smfa, say, or all")
    if named == ["all"]:
        named = [name for name in methods.usable() if tuning.find_space(name, model) is not None]
    searches = []
    for start in [method_recipes.choose(name, model, settings) for name in named]:
        path = tuning.space_path(start.method.name, model)
        points = tuning.points(tuning.read_space(path), start, budget=budget, seed=seed, where=str(path))
        searches.append((start, points))
    return searches


def _typed(options: "RunOptions", seed: int, budget: int | None, settings: Sequence[str]) -> str:
    """The options of this command, as a recipe tells where it comes from."""
    parts = [f"--model {options.model}{f' --task {options.task}' if options.task else ''} --seed {seed}"]
    parts += [f"--budget {budget}"] if budget else []
    parts += [f"--set {setting}" for setting in settings]
    parts += [f"--data {options.data.name}"] if options.data else []
    parts += [f"--limit {options.limit:g}"] if options.limit is not None else []
    parts += [f"--device {options.device}"] if options.device != "cpu" else []
    parts += [f"--answer-dtype {options.answer_dtype}"] if options.answer_dtype is not None else []
    parts += ["--fold test --allow-test-selection"] if options.fold is Fold.TEST else []
    return " ".join(parts)


def points_table(title: str, tried: "Sequence[Point]") -> "FittedTable":
    """A line per point: what was set, and what its scores are."""
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.scoring.columns import MEANS, Shown

    columns = [column.name for column in MEANS if column.table is Shown.SCORES]
    lines = [
        (
            "\n".join(point.settings),
            point.error or _number(point.overall),
            *(_number(getattr(point.vector, column)) if point.vector else None for column in columns),
        )
        for point in tried
    ]
    return lines_table(title, ("settings", "overall", *columns), lines, keep=("overall",))


def _tell(console: "Console", start: "Chosen", tried: "Sequence[Point]", fold: Fold) -> None:
    console.print(points_table(f"{start.label} on {fold.value} people", tried))
    if tried[0].overall == 0:
        console.print(
            f"No point of {start.label} is better than the untouched target, so none was preferred: a recipe from this "
            "search is only its first point. Try another space."
        )


def _write(start: "Chosen", best: "Point", model: str, command: str, fold: Fold, folder: Path | None) -> None:
    from smllmun_bench.config import apply_overrides
    from smllmun_bench.stages import method_recipes

    path = method_recipes.place_for(start.method.name, model, folder)
    config = apply_overrides(start.config, best.settings)
    method_recipes.write(path, start.method, model, command, config, selected_on=fold.value)
    typer.echo(f"recipe  {path}")


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
