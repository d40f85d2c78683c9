"""`smllmun-bench attack`: what a forgotten person is still known for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smllmun_bench.cli import _options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from smllmun_bench.attacks.base import AttackConfig
    from smllmun_bench.experiments.attack import Row
    from smllmun_bench.results.manifest import RunManifest


def attack(
    runs: Annotated[list[str], typer.Argument(help="Run folders or run ids of one model and task.")],
    attacks: Annotated[
        list[str], typer.Option("--attack", "-a", help="Names, families (prompt, weights …) or all, by commas.")
    ] = ["prompt"],  # noqa: B006  typer copies it
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of one attack: leak-at-k.samples=200; repeat for more.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Where run ids are looked up.")] = Path("results/runs"),
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with the benchmark's files, in upstream's layout.")
    ] = None,
    limit: Annotated[float | None, typer.Option("--limit", "-L", help="Items of each role; below 1 a share.")] = None,
    batch_size: Annotated[str, typer.Option("--batch-size", "-b", help="Questions at a time, or auto.")] = "64",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    store: Annotated[Path | None, typer.Option(help="Where finished stages are kept.")] = None,
    include: _options.Include = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q")] = False,
) -> None:
    """Attack target, gold and the runs' models alike; what exceeds gold is residual memory."""
    from smllmun_bench import attacks as catalogue
    from smllmun_bench import stages
    from smllmun_bench.cli._session import RunOptions, open_context, record, stay_offline
    from smllmun_bench.errors import UserError
    from smllmun_bench.experiments import attack as logic
    from smllmun_bench.report.console import make_console
    from smllmun_bench.results.run_folder import find_run
    from smllmun_bench.schema import Fold
    from smllmun_bench.stages import method_recipes

    stay_offline()
    console = make_console(quiet=quiet)
    wanted = _with_settings(catalogue.choose(_options.names(attacks)), settings or [])
    manifests = [find_run(name, results).manifest for name in runs]
    chosen = [
        (method_recipes.of_run(manifest), manifest.seed or 0) for manifest in manifests if manifest.kind != "reference"
    ]
    if not chosen:
        raise UserError("target and gold are attacked anyway: name the run of a method", where="RUN")
    first = _same(manifests)
    options = RunOptions(
        first.model,
        first.task,
        round(first.forget_ratio * 100),
        store=store,
        device=device,
        fold=Fold(first.fold),
        limit=limit,
        batch_size=_options.batch_size(batch_size),
        quiet=quiet,
        data=data,
    )
    session = open_context(options, console)
    context = session.context
    references = stages.references(context)
    found = list(logic.attack(context, references, wanted, logic.subjects(context, references, chosen)))
    record(session, f"attack-{context.task.name}")
    _show(console, f"{context.task.name} · {context.card.name}", logic.corrected(found))


def _with_settings(attacks: "Sequence[Any]", settings: "Sequence[str]") -> "list[tuple[Any, AttackConfig]]":
    """Each attack with its settings. Raises UserError for a setting of none of them."""
    from smllmun_bench.config import apply_overrides
    from smllmun_bench.errors import unknown

    names = [attack.name for attack in attacks]
    own: dict[str, list[str]] = {name: [] for name in names}
    for setting in settings:
        name, _, rest = setting.partition(".")
        if name not in own:
            raise unknown("attack", name, names, where=f"--set {setting}")
        own[name].append(rest)
    return [(one, apply_overrides(one.config(), own[one.name], f"--set, attack {one.name!r},")) for one in attacks]


def _same(manifests: "list[RunManifest]") -> "RunManifest":
    """The first of them. Raises UserError unless all are of one model, task, ratio and fold."""
    from smllmun_bench.errors import UserError

    settings = {(m.model, m.task, m.forget_ratio, m.fold) for m in manifests}
    if len(settings) > 1:
        raise UserError("runs of different models, tasks, ratios or folds", where="RUN", fix="one call for each")
    return manifests[0]


def _show(console: "Console", title: str, rows: "list[Row]") -> None:
    from smllmun_bench.cli._tables import lines_table

    lines = [
        (
            row.attack,
            row.point,
            row.label,
            *(_number(value) for value in (row.target, row.gold, row.known)),
            (row.reason and "n/a") or f"{row.excess:+.3f} [{row.low:+.3f}, {row.high:+.3f}]",
            _number(row.p_holm),
        )
        for row in rows
    ]
    columns = ("attack", "point", "model", "target", "gold", "known", "excess over gold, 95 %", "p (Holm)")
    console.print(lines_table(title, columns, lines))
    for reason in sorted({(row.attack, row.label, row.reason) for row in rows if row.reason}):
        console.print(f"n/a {': '.join(reason)}", soft_wrap=True)


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
