"""`smllmun-bench run`: methods unlearn, everybody is asked, and one table says how it went."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smllmun_bench.cli import _options
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fold

if TYPE_CHECKING:
    from rich.console import Console

    from smllmun_bench.cli._session import Session
    from smllmun_bench.experiments.run import Finished
    from smllmun_bench.results.leaderboard import Standing
    from smllmun_bench.stages.method_recipes import Chosen
    from smllmun_bench.store.store import StageEvent

FEW = 16  # runs that are told one by one
OPENAI = "openai:"  # how a model behind an endpoint is named
DEFAULT_OUTPUT = Path("results/runs")


def run(
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method", "-m", help="Methods, separated by commas; `all`; `name@variant` for a recipe variant."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="A registered model, a folder, a hub id, a card (YAML), or openai:NAME.")
    ] = "toy",
    endpoint: Annotated[
        str | None, typer.Option(help="OpenAI-compatible address of openai:NAME, up to and with /v1.")
    ] = None,
    key_env: Annotated[str | None, typer.Option(help="Variable that holds the endpoint's key; none, no key.")] = None,
    target: Annotated[str | None, typer.Option(help="A folder that has memorised already.")] = None,
    gold: Annotated[str | None, typer.Option(help="A folder that never saw the forget set.")] = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task", "--tasks", "-t", help="A registered task or a YAML file; the one that the model is made for."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with the benchmark's files, in upstream's layout.")
    ] = None,
    forget_ratio: Annotated[int | None, typer.Option(help="Percent of the people; the task's default.")] = None,
    seeds: Annotated[str, typer.Option("--seeds", "--seed", help="How many (3) or which (0,1,2).")] = "1",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value of the settings; METHOD.key=value of one method.")
    ] = None,
    limit: Annotated[float | None, typer.Option("--limit", "-L", help="Items of each role; below 1 a share.")] = None,
    batch_size: Annotated[
        str, typer.Option("--batch-size", "-b", help="Questions at a time, or auto; halved where memory runs out.")
    ] = "64",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that unlearn at the same time.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    device_map: Annotated[str | None, typer.Option(help="auto: over all cards and main memory.")] = None,
    dtype: Annotated[_options.Dtype, typer.Option(help="Precision of the models.")] = _options.Dtype.FLOAT32,
    answer_dtype: Annotated[
        _options.Dtype | None, typer.Option(help="Precision of the answers; default: that of --dtype.")
    ] = None,
    backend: Annotated[
        _options.Backend, typer.Option(help="Who answers; vllm: what is plain weights, on a card.")
    ] = _options.Backend.TRANSFORMERS,
    output: Annotated[
        Path, typer.Option("--output", "--output-path", "-o", help="Folder for the runs.")
    ] = DEFAULT_OUTPUT,
    csv: Annotated[Path | None, typer.Option(help="The leaderboard of --output in another file too.")] = None,
    store: Annotated[Path | None, typer.Option(help="Where finished stages are kept.")] = None,
    fold: Annotated[Fold, typer.Option(help="Whose request: test, or validation people.")] = Fold.TEST,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first failure; exit 1 if there was nothing to forget.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Paths only.")] = False,
    include: _options.Include = None,
    online: Annotated[bool, typer.Option(help="Allow looking at the model hub.")] = False,
) -> None:
    """Run methods on a task and compare them with base, target and gold."""
    from smllmun_bench import runtime
    from smllmun_bench.cli._session import RunOptions, fill_store, open_context, record, stay_offline
    from smllmun_bench.report.console import make_console
    from smllmun_bench.stages import method_recipes, model_cards
    from smllmun_bench.store.atomic import writable_file, writable_folder

    if not online:
        stay_offline()
    writable_folder(output)
    if csv is not None:
        writable_file(csv)
    if model.startswith(OPENAI):
        if method or endpoint is None:
            what = "its weights cannot be changed" if method else "it is not said where it answers"
            raise UserError(what, where=f"--model {model}", fix="--endpoint URL, and no --method")
        _run_endpoint(model, endpoint, key_env, (task or "smllmun-toy", data, forget_ratio, fold, limit), output, quiet)
        return
    quiet = quiet or runtime.rank() > 0  # of processes that were launched together the first one speaks
    console = make_console(quiet=quiet)
    size = _options.batch_size(batch_size)
    options = RunOptions(model, task, forget_ratio, target, gold, store, device, dtype.value, fold, limit, size, quiet)
    options = replace(options, device_map=device_map, data=data, backend=backend.value)
    options = replace(options, answer_dtype=answer_dtype and answer_dtype.value)
    if backend is _options.Backend.VLLM and jobs > 1:
        raise UserError(f"{jobs} processes would start vLLM on one card", where="--jobs", fix="--jobs 1")
    wanted = _wanted(method or [])
    chosen = method_recipes.choose_all(wanted, model_cards.called(model), settings or ())
    for setting in method_recipes.unspecific(wanted, settings or ()):
        told = f"--set {setting} replaces what {len(wanted)} recipes say; of one method alone: METHOD.{setting}"
        typer.echo(f"warning: {told}", err=True)
    which = _options.seeds(seeds)
    session = open_context(options, console)
    fill_store(session, options, [(choice, seed) for choice in chosen for seed in which], jobs)
    finished = _finished(session, chosen, which, output, strict=strict)
    if runtime.rank() > 0:
        return
    record(session, f"{session.context.task.name}-{'-'.join(choice.label for choice in chosen)}")
    shut = _show(console, session, finished, output, csv)
    if strict and shut:
        typer.echo(f"strict: {'; '.join(shut)}", err=True)
    if any(part.manifest.status == "failed" for part in finished) or (strict and shut):
        raise typer.Exit(1)


def _run_endpoint(
    model: str,
    url: str,
    key_env: str | None,
    which: "tuple[str, Path | None, int | None, Fold, float | None]",
    output: Path,
    quiet: bool,
) -> None:
    """Ask a model behind an endpoint; a row without target and gold. Exit 1 where questions got no answer."""
    from smllmun_bench.cli._session import open_asked
    from smllmun_bench.cli._tables import standings_table
    from smllmun_bench.experiments import saved
    from smllmun_bench.judge.cache import Cache
    from smllmun_bench.judge.endpoint import Endpoint, EndpointSettings
    from smllmun_bench.judge.secret import from_environment
    from smllmun_bench.judge.subject import ask
    from smllmun_bench.report.console import make_console, progress
    from smllmun_bench.results.leaderboard import standings
    from smllmun_bench.results.run_folder import find_runs
    from smllmun_bench.store.store import default_root

    asked, name, console = open_asked(*which), model.removeprefix(OPENAI), make_console(quiet=quiet)
    left = saved.unavailable(asked.items, (), asked.task)
    asked = replace(asked, items=asked.without(left))
    settings = EndpointSettings(url=url, model=name, max_tokens=asked.task.generation.max_new_tokens)
    client = Endpoint(settings, from_environment(key_env))
    with progress(console, quiet).task(f"asking {name}", len(asked.items)) as advance:
        answers, failed = ask(
            asked.items, asked.task, asked.data.image, client, Cache(default_root() / "endpoint"), advance
        )
    if failed:
        reasons = ", ".join(f"{count} {failure.value}" for failure, count in sorted(failed.items()))
        typer.echo(
            f"{sum(failed.values())} of {len(asked.items)} questions got no answer ({reasons}): no row is made; "
            "the same command asks these alone",
            err=True,
        )
        raise typer.Exit(1)
    about = {key: str(value) for key, value in client.identity.items()}
    folder = saved.write_run(asked, answers, name, output, about=about)
    console.print(standings_table(standings(find_runs(folder))[0], f"{asked.task.name} · {name}"))
    if left:
        console.print(f"n/a: {len(left)} questions that are answered by log-probability")
    console.print("overall is n/a: it needs a target and a gold model.")
    typer.echo(f"run          {folder}")


def _finished(
    session: "Session", chosen: "list[Chosen]", seeds: "Sequence[int]", output: Path, *, strict: bool
) -> "list[Finished]":
    """All rows, or those up to the first failure."""
    from smllmun_bench.experiments.run import run as run_all

    finished: list[Finished] = []
    for done in run_all(session.context, chosen, seeds, session.percent, output):
        finished.append(done)
        if strict and done.manifest.status == "failed":
            break
    return finished


def _wanted(method: list[str] | None) -> list[str]:
    from smllmun_bench import methods

    named = _options.names(method or [])
    if not named:
        raise UserError("no method is named", where="--method", fix="smfa, say, or all")
    return methods.usable() if named == ["all"] else named


def backend_lines(finished: "list[Finished]") -> list[str]:
    """Which rows were asked how, where not all were asked by transformers in this process."""
    rows: dict[str, list[str]] = {}
    for part in finished:
        if part.manifest.status == "done":
            rows.setdefault(part.manifest.backend, []).append(part.manifest.label)
    if set(rows) <= {"transformers"}:
        return []
    return [f"asked by {backend}: {', '.join(dict.fromkeys(labels))}" for backend, labels in sorted(rows.items())]


def _worth_telling(events: "list[StageEvent]") -> "list[StageEvent]":
    """All stages of a small run; of a large one those that took time."""
    from smllmun_bench.store.store import Action

    return events if len(events) <= 2 * FEW else [event for event in events if event.action is not Action.REUSED]


def _show(
    console: "Console", session: "Session", finished: "list[Finished]", output: Path, csv: Path | None
) -> list[str]:
    """Tables on the console and the CSV; gives why the gate is shut, if it is."""
    from smllmun_bench.report.leaderboard import gate_lines
    from smllmun_bench.report.table import stages_table
    from smllmun_bench.results.leaderboard import standings

    rows, out = standings([part.as_run() for part in finished])
    path = _write_csv(finished, output, csv)  # before anything that may fail to be printed
    _show_scores(console, session, rows)
    _show_notes(console, rows, finished)
    for left in out:
        console.print(f"{left.run.manifest.label}: {left.why}", soft_wrap=True, style="red")
    console.print(stages_table(_worth_telling(session.events)))
    for place in [part.folder for part in finished] if len(finished) <= FEW else [output]:
        typer.echo(f"run          {place}")
    if path is not None:
        typer.echo(f"leaderboard  {path}")
    return gate_lines(standing.row for standing in rows)


def _show_scores(console: "Console", session: "Session", rows: "Sequence[Standing]") -> None:
    from smllmun_bench.cli._tables import answers_table, standings_table

    context = session.context
    marks = [f"forget {session.percent} %", context.card.name]
    marks += [f"limited to {context.limit:g}"] if context.limit is not None else []
    marks += [f"answers in {context.asking.dtype}"] if context.asking.dtype != "float32" else []
    marks += ["validation people"] if context.fold is Fold.VALIDATION else []
    console.print(standings_table(rows, " · ".join([context.task.name, *marks])))
    console.print("Scores 0–1 with 95 % intervals over people. Arrows: where a good unlearner moves the score.")
    console.print(answers_table(rows))


def _show_notes(console: "Console", rows: "Sequence[Standing]", finished: "list[Finished]") -> None:
    """What to know when reading the table."""
    from smllmun_bench.cli._tables import mask_lines
    from smllmun_bench.report.leaderboard import caveats

    lines = [line for standing in rows for line in mask_lines(standing)]
    lines += [*caveats(standing.row for standing in rows), *backend_lines(finished)]
    lines += [f"  {line}" for line in finished[0].gate.lines()] if finished else []
    for line in lines:
        console.print(line, soft_wrap=True)


def _write_csv(finished: "list[Finished]", output: Path, csv: Path | None) -> Path | None:
    """The leaderboard of all runs of the folder that may stand in one; None if there is none of them.

    It is made while nobody else writes into the folder, so that of two runs at once none loses its rows.
    """
    from smllmun_bench.report.leaderboard import rank, to_csv
    from smllmun_bench.results.leaderboard import publishable, standings
    from smllmun_bench.results.run_folder import find_runs, turn
    from smllmun_bench.store.atomic import atomic_write

    at_hand = {part.folder.resolve(): part.as_run() for part in finished}
    with turn(output):
        fit, _ = publishable([at_hand.get(run.folder.resolve(), run) for run in find_runs(output)])
        if not fit:
            return None
        text = to_csv(rank(standing.row for standing in standings(fit)[0]))
        atomic_write(output / "leaderboard.csv", text)
    if csv is not None:
        atomic_write(csv, text)
    return csv or output / "leaderboard.csv"
