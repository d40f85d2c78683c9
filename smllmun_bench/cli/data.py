"""`smllmun-bench data`: the benchmark as files."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The benchmark as files.", no_args_is_help=True)


@app.callback()
def _data() -> None:
    pass


@app.command()
def build(
    out: Annotated[Path, typer.Option(help="A folder that does not exist yet, or is empty.")],
    profiles: Annotated[int, typer.Option(min=1, help="People; 1,000 is the paper's size.")] = 1000,
    seed: Annotated[int, typer.Option(help="Other seeds, other people.")] = 0,
    image_size: Annotated[int, typer.Option(min=16, help="Pixels a side.")] = 336,
) -> None:
    """Write the synthetic S-MLLMUn-shaped data set as a folder that `datasets` loads."""
    from smllmun_bench.data.smllmun import write_folder
    from smllmun_bench.report.console import make_console

    with make_console(stderr=True).status(f"writing {profiles} profiles"):
        write_folder(out, profiles=profiles, seed=seed, image_size=image_size)
    typer.echo(f"data  {out}")
