"""`smllmun-bench leaderboard`: every run below a folder, or the rows of a leaderboard file, in one table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smllmun_bench.report.formats import Format

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smllmun_bench.report.formats import Intervals
    from smllmun_bench.report.leaderboard import LeaderboardRow


def leaderboard(
    folder: Annotated[Path, typer.Argument(help="Folder with runs, or a leaderboard's CSV.")] = Path("results"),
    form: Annotated[Format, typer.Option("--format", help="How the rows are printed.")] = Format.TABLE,
    csv: Annotated[Path | None, typer.Option(help="Write the rows to this file too.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw forgetting against retention (.svg, .pdf, .png, .html).")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 where there was nothing to forget, or the target was damaged.")
    ] = False,
) -> None:
    """Rank every finished run below a folder; seeds of one setting are one row."""
    from smllmun_bench.report.console import make_console
    from smllmun_bench.report.formats import formatted
    from smllmun_bench.report.leaderboard import caveats, gate_lines, leaderboard_tables, rank, read_csv, to_csv
    from smllmun_bench.results.leaderboard import mixed_versions
    from smllmun_bench.store.atomic import atomic_write

    found, intervals, out = (read_csv(folder), {}, []) if folder.is_file() else _from_runs(folder)
    rows = rank(found)
    if csv is not None:
        atomic_write(csv, to_csv(rows))
    console = make_console(stderr=form is not Format.TABLE)  # a file gets the rows alone
    if form is Format.TABLE:
        for table in leaderboard_tables(rows):
            console.print(table)
    else:
        typer.echo(formatted(rows, form, intervals), nl=False)
    for line in [*caveats(rows), *out]:
        console.print(line, soft_wrap=True)
    if versions := mixed_versions(rows):
        console.print(f"these rows come from versions {', '.join(versions)}: their scores may not compare")
    if csv is not None:
        console.print(f"leaderboard  {csv}", soft_wrap=True)
    if plot is not None:
        from smllmun_bench.report.frontier import draw

        draw(rows, plot, intervals)
        console.print(f"plot         {plot}", soft_wrap=True)
    if strict and (shut := gate_lines(rows)):
        typer.echo(f"strict: {'; '.join(shut)}", err=True)
        raise typer.Exit(1)


def _judged(folders: "Iterable[Path]") -> list[str]:
    """A line where judges have rated runs of the table: their scales are their own, so they are no columns of it."""
    from smllmun_bench.judge.judged import files

    rated = [folder.name for folder in folders if files(folder)]
    return [f"rated by a judge too (`smllmun-bench show RUN`): {', '.join(rated)}"] if rated else []


def _from_runs(folder: Path) -> "tuple[tuple[LeaderboardRow, ...], Intervals, list[str]]":
    """The rows of the runs below a folder, the intervals of each, and what is to be said below."""
    from smllmun_bench.errors import UserError
    from smllmun_bench.results.leaderboard import publishable, standings
    from smllmun_bench.results.run_folder import find_runs

    fit, out = publishable(find_runs(folder))
    if not fit:
        raise UserError("there is no finished run", where=str(folder), fix="smllmun-bench run --method smfa")
    found, older = standings(fit)
    if not found:
        raise UserError(older[0].why, where=str(older[0].run.folder), fix="another folder: here no run is left")
    told = [
        f"left out: {left.run.folder} ({', '.join(map(str.strip, left.why.splitlines()))})" for left in [*out, *older]
    ]
    rows = tuple(standing.row for standing in found)
    told += _judged([run.folder for run in fit])
    return rows, {standing.row.run_id or "": standing.intervals for standing in found}, told
