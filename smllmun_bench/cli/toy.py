"""`smllmun-bench toy`: the models that ship with the package, from nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from smllmun_bench.cli._session import Session
    from smllmun_bench.experiments.acceptance import Figures
    from smllmun_bench.stages.loader import ModelRef

app = typer.Typer(help="The toy models that ship with the package.", no_args_is_help=True)


@app.callback()
def _toy() -> None:
    pass


@app.command()
def build(
    model: Annotated[str, typer.Option(help="Model card to build: toy, nano or small.")] = "toy",
    task: Annotated[str | None, typer.Option(help="Task whose people are memorised; the model's own.")] = None,
    forget_ratio: Annotated[int | None, typer.Option(help="Percent; the task's default.")] = None,
    store: Annotated[Path | None, typer.Option(help="Where finished stages are kept.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Copy the finished models to this folder, as a layer to ship.")
    ] = None,
    record: Annotated[Path | None, typer.Option("--figures", help="Write the figures to this CSV file.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Build nothing: measure what is there.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q")] = False,
) -> None:
    """Build base, target and gold, and hold them against the criteria that they are documented to meet."""
    from smllmun_bench.cli._session import RunOptions, open_context, stay_offline
    from smllmun_bench.report.console import make_console

    stay_offline()
    console = make_console(quiet=quiet)
    options = RunOptions(model, task, forget_ratio, store=store, quiet=quiet, finished_only=check)
    session = open_context(options, console)
    built, figures = _measured(session)
    _show(console, figures)
    if record is not None:
        _record(record, figures)
    met = _told(console, model, figures)
    if out is not None:
        _copy(built, out)
    if not met:
        raise typer.Exit(1)


def _measured(session: "Session") -> "tuple[Mapping[str, ModelRef], dict[str, Figures]]":
    """Base, target and gold, each built if it is not there, and the figures of all models that have some."""
    from smllmun_bench import stages
    from smllmun_bench.errors import UserError
    from smllmun_bench.experiments.acceptance import figure_items, measure, measure_original

    context = session.context
    built = stages.references(context).named()
    if "gold" not in built:
        what = "a model card that names its own target has no gold to build"
        raise UserError(what, where=f"model {context.card.name!r}")
    items = figure_items(context, session.percent)
    figures: dict[str, Figures] = {}
    for name, ref in built.items():
        with context.watch(f"measuring {name}", items.count) as advance:
            figures[name] = measure(context, ref.path, items, on_done=advance)
    untaught = stages.original(context)
    if untaught is not None and items.language:
        with context.watch("measuring the original", len(items.language)) as advance:
            figures["original"] = measure_original(context, untaught.path, items, on_done=advance)
    return built, figures


def _show(console: "Console", figures: "Mapping[str, Figures]") -> None:
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.experiments.acceptance import FIGURES

    lines = [(name, *(_cell(values.get(figure)) for figure in FIGURES)) for name, values in figures.items()]
    console.print(lines_table("", ("", *FIGURES), lines))


def _record(path: Path, figures: "Mapping[str, Figures]") -> None:
    from smllmun_bench.store.atomic import atomic_write

    rows = [f"{name},{figure},{value:.6f}\n" for name, values in figures.items() for figure, value in values.items()]
    atomic_write(path, "model,figure,value\n" + "".join(rows))


def _told(console: "Console", model: str, figures: "Mapping[str, Figures]") -> bool:
    """Says of each criterion of the model whether it is met; whether all are."""
    from smllmun_bench.experiments.acceptance import CRITERIA, missed

    criteria = CRITERIA.get(model, ())
    failed = missed(figures, criteria)
    for criterion in criteria:
        console.print(f"{'MISSED' if criterion in failed else 'kept  '}  {criterion.words()}")
    return not failed


def _copy(built: "Mapping[str, ModelRef]", out: Path) -> None:
    from smllmun_bench.store.overlays import copy_layer

    for path in copy_layer([ref.entry for ref in built.values() if ref.entry is not None], out):
        typer.echo(f"copied  {path}")


def _cell(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
