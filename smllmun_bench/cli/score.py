"""`smllmun-bench score`: score saved predictions. Loads no model."""

from pathlib import Path
from typing import Annotated

import typer

from smllmun_bench.schema import Fold


def score(
    predictions: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Parquet or JSONL.")],
    task: Annotated[str, typer.Option("--task", "-t", help="The task that was asked.")] = "smllmun-toy",
    forget_ratio: Annotated[int | None, typer.Option(help="Percent; the task's default.")] = None,
    fold: Annotated[Fold, typer.Option(help="Whose request was asked.")] = Fold.TEST,
    limit: Annotated[float | None, typer.Option("--limit", "-L", help="As in the run.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All scores as JSON.")] = False,
) -> None:
    """Score saved predictions. The numbers are those of the live run."""
    from smllmun_bench import scoring
    from smllmun_bench.cli._shop import open_task
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.data.combined import TaskData
    from smllmun_bench.pipeline.jsonl import read_any_predictions
    from smllmun_bench.pipeline.predict import limited
    from smllmun_bench.report.console import make_console

    spec, percent = open_task(task, forget_ratio)
    items = limited(TaskData(spec, percent).evaluation(fold), limit)
    summary = scoring.summarise(scoring.score_items(items, read_any_predictions(predictions), spec.metrics))
    if as_json:
        typer.echo(summary.to_json())
        return
    lines = [
        (cell.role.value, cell.modality.value, cell.n, f"{cell.headline:.3f}", *cell.states.values())
        for cell in summary.cells
    ]
    columns = ("role", "modality", "n", "score", *summary.cells[0].states)
    make_console().print(lines_table(spec.name, columns, lines))
