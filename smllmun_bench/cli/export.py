"""`smllmun-bench export`: the model of a run, for use without the benchmark."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from smllmun_bench.errors import UserError


class Form(StrEnum):
    MERGED = "merged"
    ADAPTER = "adapter"
    DELTA = "delta"
    MODULE = "module"


def export(
    run: Annotated[str, typer.Argument(help="A run folder, or a run id below --results.")],
    out: Annotated[Path, typer.Option(help="A folder that does not exist yet, or is empty.")],
    form: Annotated[
        Form, typer.Option("--as", help="All weights, a PEFT adapter, the change, or what mounts it.")
    ] = Form.MERGED,
    target: Annotated[str | None, typer.Option(help="The model that the run started from, if it is not found.")] = None,
    results: Annotated[Path, typer.Option(help="Where run ids are looked up.")] = Path("results"),
    store: Annotated[Path | None, typer.Option(help="The store that the run used.")] = None,
    base: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Write a run's model as a folder that plain transformers or peft load, with a model card."""
    from smllmun_bench.cli._session import open_store, stay_offline
    from smllmun_bench.export.folder import export as write
    from smllmun_bench.export.parts import parts_of
    from smllmun_bench.results.run_folder import find_run

    stay_offline()
    if base is not None:
        if target is not None:
            raise UserError("the target is given twice", where="--target, --base", fix="--target alone")
        typer.echo("--base means the target that a method changed, and is now called --target", err=True)
        target = base
    found = find_run(run, results)
    typer.echo(f"model  {write(found, parts_of(found, open_store(store), target), out, form.value)}")
