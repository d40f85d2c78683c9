"""`smllmun-bench validate`: is every YAML file what its place says it is?"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from smllmun_bench.cli import _options


def validate(
    files: Annotated[list[Path] | None, typer.Argument(help="Default: all that are found by name.")] = None,
    include: _options.Include = None,
) -> None:
    """Check tasks, models, recipes, variants and search spaces, names of metrics and adapters included."""
    from smllmun_bench.experiments.validation import check_all, known_files

    good, bad = check_all(files or known_files())
    for path, kind in good:
        typer.echo(f"{kind:8} {path}")
    for _, error in bad:
        sys.stderr.write(f"error: {error}\n")
    typer.echo(f"{len(good)} files are right, {len(bad)} are not")
    if bad:
        raise typer.Exit(2)
