"""`smllmun-bench metaeval`: which metric can be trusted?"""

from pathlib import Path
from typing import Annotated

import typer

from smllmun_bench.cli import _options


def metaeval(
    method: Annotated[
        list[str], typer.Option("--method", "-m", help="Methods whose unlearned models are attacked, by commas.")
    ],
    model: Annotated[str, typer.Option(help="A registered model with a recipe.")] = "nano",
    task: Annotated[str, typer.Option("--task", "-t", help="A registered task or a YAML file.")] = "smllmun-nano",
    pool: Annotated[int, typer.Option(min=2, help="Models that saw the facts, and as many that did not.")] = 5,
    bits: Annotated[int, typer.Option(min=2, max=16, help="Of the quantisation attack.")] = 4,
    forget_ratio: Annotated[int | None, typer.Option(help="Percent of the people; the task's default.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every value of every model to this file.")] = None,
    store: Annotated[Path | None, typer.Option(help="Where finished stages are kept.")] = None,
    include: _options.Include = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", "-q")] = False,
) -> None:
    """Rank metrics by faithfulness (pools of models) and robustness (relearning, quantisation)."""
    from smllmun_bench.cli._session import RunOptions, open_context, record, stay_offline
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.errors import UserError
    from smllmun_bench.experiments.metaeval import Pools, metaeval, values_csv
    from smllmun_bench.report.console import make_console
    from smllmun_bench.stages import method_recipes, model_cards
    from smllmun_bench.store.atomic import atomic_write, writable_file

    stay_offline()
    console = make_console(quiet=quiet)
    named = _options.names(method)
    if not named:
        raise UserError("no method is named", where="--method", fix="ga,npo,idk, say")
    chosen = [method_recipes.choose(name, model_cards.called(model)) for name in named]
    if csv is not None:
        writable_file(csv)
    session = open_context(RunOptions(model, task, forget_ratio, store=store, device=device, quiet=quiet), console)
    context = session.context
    findings = metaeval(context, chosen, Pools(size=pool), bits=bits)
    record(session, f"metaeval-{context.task.name}")
    if csv is not None:
        atomic_write(csv, values_csv(findings))
    lines = [
        (v.metric, *(_number(value) for value in (v.overall, v.faithfulness, v.relearning, v.quantisation)))
        for v in findings.verdicts
    ]
    title = f"{context.task.name} · {context.card.name} · pools of {pool} · {', '.join(c.label for c in chosen)}"
    columns = ("metric", "overall", "faithfulness", "relearning", f"quantisation, {bits} bit")
    console.print(lines_table(title, columns, lines))
    console.print("Faithfulness .5: cannot tell who saw the facts. Overall: harmonic mean with the mean robustness.")
    if csv is not None:
        typer.echo(f"values  {csv}")


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
