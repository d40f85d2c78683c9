"""`smllmun-bench leaderboard`: every run below a folder, in one table."""

from pathlib import Path
from typing import Annotated

import typer


def leaderboard(
    folder: Annotated[Path, typer.Argument(help="Folder with runs.")] = Path("results"),
    csv: Annotated[Path | None, typer.Option(help="Write the rows to this file too.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw forgetting against retention (.svg, .png, .html).")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 where there was nothing to forget, or the target was damaged.")
    ] = False,
) -> None:
    """Rank every finished run below a folder; seeds of one setting are one row."""
    from smllmun_bench.errors import UserError
    from smllmun_bench.report.console import make_console
    from smllmun_bench.report.leaderboard import caveats, gate_lines, leaderboard_tables, rank, to_csv
    from smllmun_bench.results.leaderboard import mixed_versions, publishable, standings
    from smllmun_bench.results.run_folder import find_runs
    from smllmun_bench.store.atomic import atomic_write

    fit, out = publishable(find_runs(folder))
    if not fit:
        raise UserError("there is no finished run", where=str(folder), fix="smllmun-bench run --method smfa")
    found, older = standings(fit)
    if not found:
        raise UserError(older[0].why, where=str(older[0].run.folder), fix="another folder: here no run is left")
    rows = rank(standing.row for standing in found)
    if csv is not None:
        atomic_write(csv, to_csv(rows))
    console = make_console()
    for table in leaderboard_tables(rows):
        console.print(table)
    for line in caveats(rows):
        console.print(line, soft_wrap=True)
    for left in [*out, *older]:
        console.print(
            f"left out: {left.run.folder} ({', '.join(map(str.strip, left.why.splitlines()))})", soft_wrap=True
        )
    if versions := mixed_versions(rows):
        console.print(f"these rows come from versions {', '.join(versions)}: their scores may not compare")
    if csv is not None:
        typer.echo(f"leaderboard  {csv}")
    if plot is not None:
        from smllmun_bench.report.frontier import draw

        draw(rows, plot)
        typer.echo(f"plot         {plot}")
    if strict and (shut := gate_lines(rows)):
        typer.echo(f"strict: {'; '.join(shut)}", err=True)
        raise typer.Exit(1)
