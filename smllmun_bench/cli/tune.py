"""`smllmun-bench tune`: hyperparameters, chosen on validation people."""

from pathlib import Path
from typing import Annotated

import typer


def tune(
    method: Annotated[str, typer.Option("--method", "-m", help="One method.")],
    model: Annotated[str, typer.Option(help="A registered model, a folder, or a hub id.")] = "toy",
    task: Annotated[str, typer.Option("--task", "-t", help="A registered task or a YAML file.")] = "smllmun-toy",
    budget: Annotated[int | None, typer.Option(min=1, help="Points to try; default: all of the space.")] = None,
    seed: Annotated[int, typer.Option(help="Of the training, and of the draw of points.")] = 0,
    write: Annotated[bool, typer.Option("--write", help="Save the best as baselines/<method>/<model>.yaml.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that try points at the same time.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    store: Annotated[Path | None, typer.Option(help="Where finished stages are kept.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q")] = False,
) -> None:
    """Search the method's space (baselines/<method>/space.yaml) on validation people; test people are never asked."""
    from smllmun_bench.cli._shop import Asked, make_ahead, open_shop, stay_offline
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.config import apply_overrides
    from smllmun_bench.errors import UserError
    from smllmun_bench.pipeline import recipes, tuning
    from smllmun_bench.report.console import make_console
    from smllmun_bench.resources import shipped
    from smllmun_bench.schema import Fold

    stay_offline()
    console = make_console(quiet=quiet)
    start = recipes.choose(method, Path(model).name)
    path = tuning.space_path(start.method.name)
    todo = tuning.points(tuning.read_space(path), start, budget=budget, seed=seed, where=str(path))
    asked = Asked(model, task, store=store, device=device, fold=Fold.VALIDATION, quiet=quiet)
    opened = open_shop(asked, console)
    make_ahead(opened, asked, [(point.chosen, seed) for point in todo], jobs)
    tried = tuning.tune(opened.shop, todo, seed=seed)
    columns = ("forget_image", "forget_text", "retain_image", "retain_text", "understanding_forget", "general_vqa")
    lines = [
        (
            ", ".join(point.settings),
            point.error or _number(point.overall),
            *(_number(getattr(point.vector, column)) if point.vector else None for column in columns),
        )
        for point in tried
    ]
    console.print(lines_table(f"{start.label} on validation people", ("settings", "overall", *columns), lines))
    console.print(tuning.NOTE)
    best = tried[0]
    if best.overall is None:
        raise UserError("no point of the space has a defined overall score", where=str(path))
    if write:
        name = opened.shop.card.name
        saved = shipped("baselines") / start.method.name / f"{name}.yaml"
        command = f"smllmun-bench tune --method {method} --model {model} --task {task} --seed {seed}"
        command += f" --budget {budget}" if budget else ""
        command += f" --device {device}" if device != "cpu" else ""
        recipes.write(saved, start.method, name, command, apply_overrides(start.config, best.settings))
        typer.echo(f"recipe  {saved}")


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
