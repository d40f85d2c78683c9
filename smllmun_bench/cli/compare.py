"""`smllmun-bench compare`: two runs on the same items."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from smllmun_bench.report.table import FittedTable
    from smllmun_bench.results.compare import Compared

RESULTS = Path("results")


def compare(
    a: Annotated[str, typer.Argument(help="A run folder, a run id below --results, or an items.parquet.")],
    b: Annotated[str, typer.Argument(help="Another one; differences are b − a.")],
    results: Annotated[Path, typer.Option(help="Where run ids are looked up.")] = RESULTS,
    flips: Annotated[int, typer.Option(min=0, help="Answers to show that turned; --json has all.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
) -> None:
    """Compare two runs item by item: paired differences with intervals, and the answers that turned."""
    import json
    from dataclasses import asdict

    from smllmun_bench.report.console import make_console
    from smllmun_bench.results import compare as logic

    found = logic.compare(logic.open_side(a, results), logic.open_side(b, results))
    if as_json:
        columns = [asdict(column) | {"verdict": column.verdict} for column in found.columns]
        typer.echo(json.dumps(asdict(found) | {"columns": columns}, indent=1, ensure_ascii=False, allow_nan=False))
        return
    console = make_console()
    console.print(f"a  {found.a}\nb  {found.b}\n{found.items} items, the same in both", soft_wrap=True)
    console.print(_columns(found))
    console.print(
        "All figures are macro by identity. In the noise: p after Holm over these columns is not below .05; too few "
        "people: it could not have been. Smallest: what this comparison would find in four of five tries."
    )
    for note in found.notes:
        console.print(f"note: {note}", soft_wrap=True)
    console.print(_turned(found))
    if flips and found.flips:
        console.print(_flips(found, flips))


def _columns(found: "Compared") -> "FittedTable":
    from smllmun_bench.cli._tables import lines_table

    lines = [
        (
            *(column.column, column.n, column.identities, f"{column.a:.3f}", f"{column.b:.3f}"),
            f"{column.difference:+.3f}",
            f"{column.low:+.3f} … {column.high:+.3f}",
            f"{column.p_holm:.3g}",
            None if column.smallest is None else f"{column.smallest:.3f}",
            column.verdict,
        )
        for column in found.columns
    ]
    columns = ("column", "n", "people", "a", "b", "b − a", "95 %", "p (Holm)", "smallest", "")
    return lines_table("", columns, lines, keep=("b − a", "p (Holm)", ""))


def _turned(found: "Compared") -> "FittedTable":
    from smllmun_bench.cli._tables import lines_table

    lines = [(role, f"{old} → {new}", count) for role, old, new, count in found.turned]
    return lines_table(f"{len(found.flips)} answers turned", ("role", "a → b", "n"), lines)


def _flips(found: "Compared", count: int) -> "FittedTable":
    """Some of them, spread over all."""
    from smllmun_bench.cli._tables import lines_table

    step = max(1, len(found.flips) // count)
    chosen = found.flips[::step][:count]
    lines = [
        (flip.item_id, flip.question, flip.answer, f"{flip.text_a} ({flip.state_a})", f"{flip.text_b} ({flip.state_b})")
        for flip in chosen
    ]
    return lines_table("", ("item", "question", "right answer", "a", "b"), lines)
