"""`smllmun-bench validate`: is every YAML file what its place says it is?"""

import sys
from pathlib import Path
from typing import Annotated

import typer


def validate(
    files: Annotated[list[Path] | None, typer.Argument(help="Default: all that ship with the package.")] = None,
) -> None:
    """Check tasks, models, recipes, variants and search spaces, names of metrics and adapters included."""
    from smllmun_bench.experiments.validation import check_all, shipped_files

    good, bad = check_all(files or shipped_files())
    for path, kind in good:
        typer.echo(f"{kind:8} {path}")
    for _, error in bad:
        sys.stderr.write(f"error: {error}\n")
    typer.echo(f"{len(good)} files are right, {len(bad)} are not")
    if bad:
        raise typer.Exit(2)
