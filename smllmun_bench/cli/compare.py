"""`smllmun-bench compare`: two runs on the same items, or two methods over all their seeds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smllmun_bench.errors import UserError

if TYPE_CHECKING:
    from smllmun_bench.report.table import FittedTable
    from smllmun_bench.results.compare import Compared

RESULTS = Path("results")


def compare(
    a: Annotated[
        str, typer.Argument(help="A run folder, a run id, or an items.parquet; with --method a folder of runs.")
    ] = str(RESULTS),
    b: Annotated[str | None, typer.Argument(help="Another one; differences are b − a.")] = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", "-m", help="Two methods, a,b: all their seeds and people.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Where run ids are looked up.")] = RESULTS,
    flips: Annotated[int, typer.Option(min=0, help="Answers to show that turned; --json has all.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
) -> None:
    """Compare two runs item by item, or two methods over seeds and people: paired differences with intervals."""
    import json
    from dataclasses import asdict

    from smllmun_bench.report.console import make_console
    from smllmun_bench.results import compare as logic

    if method:
        _methods(method, Path(a), b, as_json=as_json)
        return
    if b is None:
        raise UserError("one run is named", where="compare", fix="compare A B, or compare --method mine,npo FOLDER")
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


def _methods(named: list[str], folder: Path, other: str | None, *, as_json: bool) -> None:
    import json
    from dataclasses import asdict

    from smllmun_bench.cli import _options
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.report.console import make_console
    from smllmun_bench.results.compare_methods import compare_methods

    names = _options.names(named)
    if len(names) != 2 or other is not None:
        raise UserError("two methods and one folder are compared", where="--method", fix="--method mine,npo FOLDER")
    found = compare_methods(folder, *names)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1, ensure_ascii=False, allow_nan=False))
        return
    console = make_console()
    for side, name, seeds in (("a", found.a, found.seeds_a), ("b", found.b, found.seeds_b)):
        console.print(f"{side}  {name}, seeds {', '.join(map(str, seeds))}", soft_wrap=True)
    lines = [
        (
            *(column.column, f"{column.a:.3f}", f"{column.b:.3f}", f"{column.difference:+.3f}"),
            *(f"{column.low:+.3f} … {column.high:+.3f}", f"{column.p:.3g}", f"{column.p_holm:.3g}"),
            *(f"{column.smallest:.3f}", column.verdict),
        )
        for column in found.columns
    ]
    headings = ("column", "a", "b", "b − a", "95 %", "p", "p (Holm)", "smallest", "")
    console.print(lines_table("", headings, lines, keep=("b − a", "p (Holm)", "")))
    console.print(
        "People and seeds drawn again 20,000 times, both methods on the same people; Holm over these columns. "
        "Smallest: what such a test would find in four of five tries."
    )


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
