"""`smllmun-bench agree`: do two leaderboards order the methods alike?"""

from pathlib import Path
from typing import Annotated

import typer


def agree(
    a: Annotated[Path, typer.Argument(help="A leaderboard's CSV, of one task and model.")],
    b: Annotated[Path, typer.Argument(help="Another one: another model, another task, another version.")],
) -> None:
    """Hold two leaderboards against each other: Kendall's tau of each column, and who changed places."""
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.report.agreement import agreements, places, read_side
    from smllmun_bench.report.console import make_console

    ours, theirs = read_side(a), read_side(b)
    console = make_console()
    lines = [
        (line.column, line.methods, *((None, None, None) if line.tau is None else _tau(*line.tau)))
        for line in agreements(ours, theirs)
    ]
    console.print(lines_table("", ("column", "methods", "tau", "95 %", "p"), lines))
    console.print(
        "1: the same order; 0: unrelated; -1: reversed. Intervals: methods drawn again; without a pair that disagrees "
        "they have no width. p: that the two orders have nothing to do with each other, by permutation."
    )
    moved = [
        (place.method, place.ours, place.theirs, f"{place.ours - place.theirs:+d}") for place in places(ours, theirs)
    ]
    console.print(lines_table("rank by overall, among the methods of both", ("method", "a", "b", "up"), moved))


def _tau(tau: float, low: float, high: float, p: float) -> tuple[str, str, str]:
    return f"{tau:+.2f}", f"{low:+.2f} … {high:+.2f}", f"{p:.2g}"
