"""`smllmun-bench toy`: the models that ship with the package, from nothing."""

from pathlib import Path
from typing import Annotated

import typer

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
    """Build base, target and gold, and hold them against what is promised of them."""
    from smllmun_bench import stages
    from smllmun_bench.cli._session import RunOptions, open_context, stay_offline
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.errors import UserError
    from smllmun_bench.experiments.acceptance import (
        FIGURES,
        PROMISES,
        Figures,
        broken,
        figure_items,
        measure,
        measure_original,
    )
    from smllmun_bench.report.console import make_console
    from smllmun_bench.store.atomic import atomic_write
    from smllmun_bench.store.overlays import copy_layer

    stay_offline()
    console = make_console(quiet=quiet)
    session = open_context(
        RunOptions(model, task, forget_ratio, store=store, quiet=quiet, finished_only=check), console
    )
    context = session.context
    built = {"base": stages.base(context), "target": stages.target(context), "gold": stages.gold(context)}
    items = figure_items(context, session.percent)
    figures: dict[str, Figures] = {}
    for name, ref in built.items():
        if ref is None:
            raise UserError("a model card that names its own target has no gold to build", where=f"model {model!r}")
        with context.watch(f"measuring {name}", items.count) as advance:
            figures[name] = measure(context, ref.path, items, on_done=advance)
    untaught = stages.original(context)
    if untaught is not None and items.language:
        with context.watch("measuring the original", len(items.language)) as advance:
            figures["original"] = measure_original(context, untaught.path, items, on_done=advance)
    lines = [(name, *(_cell(values.get(figure)) for figure in FIGURES)) for name, values in figures.items()]
    console.print(lines_table("", ("", *FIGURES), lines))
    if record is not None:
        rows = [
            f"{name},{figure},{value:.6f}\n" for name, values in figures.items() for figure, value in values.items()
        ]
        atomic_write(record, "model,figure,value\n" + "".join(rows))
    promises = PROMISES.get(model, ())
    missed = broken(figures, promises)
    for promise in promises:
        console.print(f"{'MISSED' if promise in missed else 'kept  '}  {promise.words()}")
    if out is not None:
        for path in copy_layer([ref.entry for ref in built.values() if ref is not None and ref.entry is not None], out):
            typer.echo(f"copied  {path}")
    if missed:
        raise typer.Exit(1)


def _cell(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
