"""`smllmun-bench regress`: has a score moved?"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from smllmun_bench.cli import _options

if TYPE_CHECKING:
    from rich.console import Console

    from smllmun_bench.cli._session import RunOptions
    from smllmun_bench.experiments.regress import Comparison
    from smllmun_bench.stages import RunContext


def regress(
    golden: Annotated[Path, typer.Option(help="Recorded scores (JSON).")],
    method: Annotated[list[str] | None, typer.Option("--method", "-m", help="These methods only.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Record what is measured now.")] = False,
    model: Annotated[str, typer.Option(help="For a golden that --update begins.")] = "toy",
    task: Annotated[str, typer.Option(help="For a golden that --update begins.")] = "smllmun-toy",
    limit: Annotated[float | None, typer.Option(help="For a golden that --update begins.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that unlearn at the same time.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps: scores recorded on one hold on others.")] = "cpu",
    store: Annotated[Path | None, typer.Option(help="Where finished stages are kept.")] = None,
    include: _options.Include = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q")] = False,
) -> None:
    """Run methods on a small task and compare every score with the recorded one; exit 1 if one moved."""
    from smllmun_bench import methods
    from smllmun_bench.cli._session import RunOptions, fill_store, open_context, open_task, stay_offline
    from smllmun_bench.experiments import regress as logic
    from smllmun_bench.report.console import make_console
    from smllmun_bench.stages import method_recipes

    stay_offline()
    console = make_console()
    if update and not golden.exists():
        recorded = logic.empty(model, task, open_task(task, None)[1], limit)
    else:
        recorded = logic.read(golden)
    wanted = _options.names(method or []) or recorded.methods or methods.usable()
    options = RunOptions(
        recorded.model, recorded.task, recorded.forget_ratio,
        store=store, device=device, limit=recorded.limit, quiet=quiet,
    )  # fmt: skip
    session = open_context(options, console)
    with TemporaryDirectory() as scratch:
        todo = [(method_recipes.choose(name, recorded.model), 0) for name in wanted]
        fill_store(session, options, todo, jobs, partial(_open_fresh, Path(scratch)))
        measured, failed = logic.measure(logic.fresh(session.context, Path(scratch)), wanted, recorded, Path(scratch))
    result = logic.compare(recorded, measured, failed)
    _tell(console, result, compared=len(measured))
    if update:
        logic.write(golden, logic.updated(recorded, measured))
        typer.echo(f"recorded  {golden}")
    elif not result.passed:
        raise typer.Exit(1)


def _open_fresh(output: Path, options: "RunOptions") -> "RunContext":
    from smllmun_bench.cli._session import open_quietly
    from smllmun_bench.experiments import regress as logic

    return logic.fresh(open_quietly(options), output)


def _tell(console: "Console", result: "Comparison", *, compared: int) -> None:
    from smllmun_bench.cli._tables import lines_table

    if result.changes:
        lines = [
            (
                c.label,
                c.column,
                _number(c.recorded),
                _number(c.measured),
                _number(c.difference),
                c.tolerance,
                "MOVED" if c.moved else "within",
            )
            for c in result.changes
        ]
        console.print(
            lines_table("what is not as recorded", ("", "column", "recorded", "now", "by", "tolerance", ""), lines)
        )
    for label in result.new:
        console.print(f"{label} is not recorded yet; --update records it", soft_wrap=True)
    for label, error in result.failed.items():
        console.print(f"{label} failed: {error}", soft_wrap=True)
    moved = sum(change.moved for change in result.changes)
    console.print(f"{compared} rows compared, {moved} scores moved, {len(result.failed)} runs failed")


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
