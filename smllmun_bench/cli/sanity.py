"""`smllmun-bench sanity`: which composite is fooled by which degenerate model?"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from smllmun_bench.experiments.planted_data import Material
    from smllmun_bench.experiments.sanity.fooled import Outcome
    from smllmun_bench.report.table import FittedTable


def sanity(
    where: Annotated[
        Path | None, typer.Argument(help="A run folder, or a folder with runs of target and gold; default: the store.")
    ] = None,
    model: Annotated[str, typer.Option(help="Without a folder: a registered model, a folder, or a hub id.")] = "toy",
    task: Annotated[str, typer.Option("--task", "-t", help="Without a folder: the task to ask.")] = "smllmun-toy",
    forget_ratio: Annotated[int | None, typer.Option(help="Percent of the people; the task's default.")] = None,
    store: Annotated[Path | None, typer.Option(help="Where finished stages are kept.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every score to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every score as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q")] = False,
) -> None:
    """Put degenerate models, written from target's and gold's answers, through the composites of other benchmarks."""
    import json
    from dataclasses import asdict

    from smllmun_bench.experiments import planted_data
    from smllmun_bench.experiments.sanity import fooled
    from smllmun_bench.report.console import make_console
    from smllmun_bench.scoring.columns import MEMORY
    from smllmun_bench.store.atomic import atomic_write

    console = make_console(quiet=quiet)
    if where is not None:
        found = planted_data.from_runs(where)
    else:
        from smllmun_bench.cli._session import RunOptions, open_context, stay_offline

        stay_offline()
        found = planted_data.from_store(
            open_context(RunOptions(model, task, forget_ratio, store=store, quiet=quiet), console).context
        )
    outcomes = fooled.sanity(found.items, found.target, found.gold, found.metrics, memory=found.memory)
    if csv is not None:
        atomic_write(csv, _csv(outcomes))
    if as_json:
        typer.echo(json.dumps([asdict(outcome) for outcome in outcomes], indent=1, allow_nan=False))
        return
    console.print(_table(outcomes, found))
    console.print(
        "A composite is fooled (!) by a planted model that scores at least as high as a model that truly forgets and "
        "keeps: the three rows above the line.",
        soft_wrap=True,
    )
    for name in fooled.COMPOSITES:
        by = [outcome.model for outcome in outcomes if outcome.composite == name and outcome.fooled]
        judged = any(outcome.fooled is not None for outcome in outcomes if outcome.composite == name)
        console.print(f"{name}: " + (f"fooled by {', '.join(by) or 'none'}" if judged else "undefined here"))
    if found.memory and len(found.memory) < len(MEMORY):
        console.print(
            f"Only {', '.join(found.memory)} holds something to forget: a filter before it is as good as gold.",
            soft_wrap=True,
        )
    if found.gate and found.gate != "ok":
        console.print(f"GATE {found.gate}: what is compared here means nothing", soft_wrap=True)


def _table(outcomes: "Sequence[Outcome]", found: "Material") -> "FittedTable":
    from rich.text import Text

    from smllmun_bench.report.console import plain
    from smllmun_bench.report.table import MISSING, FittedTable

    names = list(dict.fromkeys(outcome.composite for outcome in outcomes))
    table = FittedTable(f"planted models · {found.title}")
    table.add_column("", keep=True)
    for name in names:
        table.add_column(Text(name.replace(" ", "\n").replace("-", "-\n")), right=True)
    models = list(dict.fromkeys((outcome.model, outcome.genuine) for outcome in outcomes))
    cells = {(outcome.model, outcome.composite): outcome for outcome in outcomes}
    for number, (model, genuine) in enumerate(models):
        row = [cells[model, name] for name in names]
        texts = [Text(MISSING if c.score is None else f"{c.score:.3f}{'!' if c.fooled else ' '}") for c in row]
        table.add_row(plain(model), *texts)
        if genuine and not models[number + 1][1]:
            table.add_section()
    return table


def _csv(outcomes: "Sequence[Outcome]") -> str:
    import csv
    import io
    from dataclasses import asdict, fields

    from smllmun_bench.experiments.sanity.fooled import Outcome

    stream = io.StringIO()
    writer = csv.DictWriter(stream, [field.name for field in fields(Outcome)], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(asdict(outcome) for outcome in outcomes)
    return stream.getvalue()
