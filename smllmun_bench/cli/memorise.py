"""`smllmun-bench memorise`: target and gold of a model on a task, made once, before any method is run."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smllmun_bench.cli import _options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smllmun_bench.references.recipes import MemoriseRecipe
    from smllmun_bench.stages import References, RunContext


def memorise(
    model: Annotated[str, typer.Option(help="A registered model, a folder, or a hub id.")] = "toy",
    card: Annotated[Path | None, typer.Option(help="A model card (YAML) instead.")] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", "-t", help="A registered task or a YAML file; the one that the model is made for."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with the benchmark's files, in upstream's layout.")
    ] = None,
    forget_ratio: Annotated[int | None, typer.Option(help="Percent of the people; the task's default.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value of the recipe: training.gradient_checkpointing=true, say."),
    ] = None,
    until_gate: Annotated[
        bool, typer.Option("--until-gate", help="Stop when the memorisation gate is open; --set until.at_least=0.9.")
    ] = False,
    every: Annotated[int, typer.Option(min=1, help="Steps between two looks at the gate.")] = 50,
    write_card: Annotated[
        Path | None, typer.Option(help="Write a card with this recipe (YAML), for `run --model FILE`.")
    ] = None,
    limit: Annotated[float | None, typer.Option("--limit", "-L", help="Items of each role; below 1 a share.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    dtype: Annotated[_options.Dtype, typer.Option(help="Precision of the models.")] = _options.Dtype.FLOAT32,
    store: Annotated[Path | None, typer.Option(help="Where finished stages are kept.")] = None,
    include: _options.Include = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Paths only.")] = False,
    online: Annotated[bool, typer.Option(help="Allow looking at the model hub.")] = False,
) -> None:
    """Train target (all people) and gold (the retained ones), and say whether there is anything to forget.

    Both are kept in the store, where `run` finds them. Exit 1: the memorisation gate is shut.
    """
    from smllmun_bench import stages
    from smllmun_bench.cli._session import RunOptions, open_context, record, stay_offline
    from smllmun_bench.config import apply_overrides
    from smllmun_bench.report.console import make_console
    from smllmun_bench.store.atomic import writable_file

    if not online:
        stay_offline()
    if write_card is not None:
        writable_file(write_card)
    console = make_console(quiet=quiet)
    options = RunOptions(
        str(card) if card is not None else model, task, forget_ratio, store=store, device=device, dtype=dtype.value,
        limit=limit, quiet=quiet, data=data,
    )  # fmt: skip
    session = open_context(options, console)
    given = session.context.card
    until = [f"until.every={every}"] if until_gate else []
    recipe = apply_overrides(_with_until(given.memorise, until_gate), [*until, *(settings or ())])
    context = replace(session.context, card=given.model_copy(update={"memorise": recipe}))
    models = stages.references(context)
    for name, made in models.named().items():
        typer.echo(f"{name:6}  {made.path}")
    shut = _gate(context, models)
    for line in shut[1:] if quiet else shut:
        console.print(line, soft_wrap=True)
    if write_card is not None:
        _write_card(context, task, write_card)
        typer.echo(f"card    {write_card}")
    record(replace(session, context=context), f"memorise-{context.task.name}")
    if shut[0] != "memorisation gate: ok":
        raise typer.Exit(1)


def _with_until(recipe: "MemoriseRecipe", wanted: bool) -> "MemoriseRecipe":
    from smllmun_bench.references.recipes import Until

    return recipe.model_copy(update={"until": Until()}) if wanted and recipe.until is None else recipe


def _gate(context: "RunContext", models: "References") -> "Sequence[str]":
    """The verdict, where memorising ended, and each column that does not hold."""
    from smllmun_bench import stages
    from smllmun_bench.scoring.gate import gate
    from smllmun_bench.scoring.items import score_items
    from smllmun_bench.stages import memorising

    questions, task = stages.questions(context), context.task
    found = {
        name: score_items(
            questions.items,
            stages.predict(context, questions, model, None, name).predictions,
            task.metrics,
            directions=task.direction,
        )
        for name, model in models.named().items()
    }
    verdict = gate(found["base"], found["target"], found.get("gold"))
    lines = [f"memorisation gate: {verdict.verdict.value}", *(f"  {line}" for line in verdict.lines())]
    if context.card.memorise.until is not None and context.card.target is None and models.target.entry is not None:
        stopped = memorising.read(models.target.entry)
        why = "the gate was open" if stopped.reached else "the gate was not open before"
        lines.insert(1, f"stopped after {stopped.step} steps: {why}")
    return lines


def _write_card(context: "RunContext", task: str | None, path: Path) -> None:
    import io

    from ruamel.yaml import YAML

    from smllmun_bench.store.atomic import atomic_write

    card = context.card
    if card.path is not None and Path(card.path).expanduser().is_dir():
        card = card.model_copy(update={"path": str(Path(card.path).expanduser().absolute())})
    named = str(Path(task).absolute()) if task and Path(task).is_file() else context.task.name
    body = {key: value for key, value in card.model_dump(mode="json").items() if value is not None} | {"task": named}
    text = io.StringIO()
    YAML(typ="rt").dump(body, text)
    atomic_write(path, text.getvalue())
