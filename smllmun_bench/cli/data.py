"""`smllmun-bench data`: data sets as files: build ours, check anybody's, convert."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smllmun_bench.cli import _options
from smllmun_bench.schema import Fold

if TYPE_CHECKING:
    from smllmun_bench.data.checking import Report
    from smllmun_bench.data.source import Source
    from smllmun_bench.tasks import TaskSpec

app = typer.Typer(help="Data sets as files: build, validate, convert.", no_args_is_help=True)


@app.callback()
def _data() -> None:
    pass


@app.command()
def validate(
    path: Annotated[Path, typer.Argument(help="Folder with the files of the task's data.")],
    task: Annotated[str, typer.Option("--task", "-t", help="A registered task or a YAML file.")],
    images: Annotated[bool, typer.Option(help="Open every picture.")] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail as well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Check a data set before it costs GPU hours. Exit code 0: fit; 1: faults were found; 2: it cannot be read."""
    import json

    from smllmun_bench.data.checking import check

    spec, source = _source(path, task)
    report = check(source, images=images, forgets=spec.forgets, listed=spec.choice is not None and spec.choice.listed)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=1, ensure_ascii=False))
    else:
        _tell(report, spec.licence)
    if not report.ok(strict=strict):
        raise typer.Exit(1)


@app.command()
def vqa(
    predictions: Annotated[Path, typer.Argument(help="Parquet or JSONL, one answer for each question.")],
    task: Annotated[str, typer.Option("--task", "-t", help="A general task, such as pope or mmbench.")],
    data: Annotated[Path | None, typer.Option("--data", help="Folder with the set's files.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only the fixed subset of so many questions.")] = None,
    seed: Annotated[int, typer.Option(help="Which fixed subset.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Score general questions by the official rule and by a strict one that never guesses, side by side."""
    import json
    from dataclasses import asdict

    from smllmun_bench import tasks
    from smllmun_bench.data.sampling import subset
    from smllmun_bench.data.source import Split
    from smllmun_bench.metrics.vqa.report import chance, report
    from smllmun_bench.results.predictions import read_predictions

    items = _opened(tasks.load(task), data).items(Split.EVALUATE)
    part = subset(items, sample if sample is not None else len(items), seed)
    chosen = set(part.ids)
    asked = [item for item in items if item.item_id in chosen]
    found = report(asked, read_predictions(predictions), of=items)
    about = {"ids_sha256": part.digest, "units": part.units, "of_units": part.of_units}
    about |= {"half_width_95": 100 * part.half_width(), "chance": chance(asked)}
    if as_json:
        typer.echo(json.dumps(asdict(found) | {"subset": about}, indent=1, ensure_ascii=False))
        return
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.report.console import make_console

    console = make_console()
    lines = [(name, f"{value:.2f}", f"{found.strict[name]:.2f}") for name, value in found.official.items()]
    lines.append(("unparsed %", f"{100 * found.unparsed_official:.2f}", f"{100 * found.unparsed_strict:.2f}"))
    console.print(lines_table(f"{found.benchmark}, {found.n:,} questions", ("", "official", "strict"), lines))
    guessing = chance(asked)
    if guessing is not None:
        console.print(f"random letters would score {guessing:.1f} (vanilla)")
    if part.units < part.of_units:
        width = 100 * part.half_width()
        console.print(
            f"{part.units:,} of {part.of_units:,} units: at most ±{width:.1f} points (95 %) from the whole set"
        )
    console.print(f"ids sha256 {part.digest}", soft_wrap=True)
    if found.judged:
        console.print(f"{found.judged} is not among these figures")


def _opened(spec: "TaskSpec", path: Path | None) -> "Source":
    from smllmun_bench.data.combined import TaskData

    return TaskData(spec, spec.forget_percents.default, path).benchmark


@app.command()
def questions(
    task: Annotated[str, typer.Option("--task", "-t", help="A registered task or a YAML file.")],
    out: Annotated[Path, typer.Option(help="A folder that does not exist yet, or is empty.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with the benchmark's files, in upstream's layout.")
    ] = None,
    forget_ratio: Annotated[int | None, typer.Option(help="Percent; the task's default.")] = None,
    fold: Annotated[Fold, typer.Option(help="Whose request is asked.")] = Fold.TEST,
    limit: Annotated[float | None, typer.Option("--limit", "-L", help="Items of each role; below 1 a share.")] = None,
    include: _options.Include = None,
) -> None:
    """Write what a model is asked, without the answers: questions.jsonl and images/. `score` reads what comes back."""
    import json

    from smllmun_bench.cli._session import open_asked
    from smllmun_bench.errors import UserError
    from smllmun_bench.judge.subject import png
    from smllmun_bench.stages.predicting import question_of, scored_only
    from smllmun_bench.store.atomic import atomic_write, writable_folder

    asked = open_asked(task, data, forget_ratio, fold, limit)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError("there is something already", where=str(out), fix="a folder that does not exist yet")
    images = writable_folder(out / "images")
    items = [item for item in asked.items if not scored_only(item, asked.task)]
    names = {ref: f"images/{n}.png" for n, ref in enumerate(dict.fromkeys(r for item in items for r in item.images), 1)}
    for ref, name in names.items():
        (images.parent / name).write_bytes(png(asked.data.image(ref)))
    rows = [
        {
            "item_id": item.item_id,
            "question": question_of(item, asked.task),
            "images": [names[ref] for ref in item.images],
            "max_new_tokens": asked.task.generation.max_new_tokens,
        }
        for item in items
    ]
    atomic_write(out / "questions.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    typer.echo(f"{len(rows)} questions, {len(names)} pictures  {out}")
    if left := len(asked.items) - len(items):
        typer.echo(f"note: {left} questions are answered by log-probability; they are not written", err=True)


@app.command()
def convert(
    path: Annotated[Path, typer.Argument(help="Folder with the files of the task's data.")],
    task: Annotated[str, typer.Option("--task", "-t", help="A registered task or a YAML file.")],
    out: Annotated[Path, typer.Option(help="A folder that does not exist yet, or is empty.")],
) -> None:
    """Write a task's data in the canonical format, which the adapter `canonical_folder` reads."""
    from smllmun_bench.data.convert import convert as write

    spec, source = _source(path, task)
    items, photos = write(source, out, licence=spec.licence)
    typer.echo(f"data  {out}  ({items} items, {photos} photos; licence: {spec.licence})")


def _source(path: Path, name: str) -> "tuple[TaskSpec, Source]":
    """The task, and its data out of that folder. Nothing is looked up on the hub."""
    from smllmun_bench import tasks

    spec = tasks.load(name)
    return spec, _opened(spec, path)


def _tell(report: "Report", licence: str) -> None:
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.report.console import make_console

    console = make_console()
    lines = [(*row, f"{n:,}") for row, n in sorted(report.rows.items())]
    console.print(lines_table(report.name, ("use", "role", "modality", "kind", "items"), lines))
    people = ", ".join(f"{count:,} {role}" for role, count in report.entities.items())
    opened = "opened" if report.images_opened else "not opened"
    console.print(f"{report.items:,} items; entities: {people}; {report.images:,} pictures, {opened}", soft_wrap=True)
    console.print(f"licence: {licence}", soft_wrap=True)
    for finding in report.findings:
        examples = "; ".join(finding.examples) + (" …" if finding.times > len(finding.examples) else "")
        kind = "fault  " if finding.fault else "warning"
        console.print(f"{kind} {finding.what} ({finding.times}): {examples}", soft_wrap=True, highlight=False)
    console.print("fit to measure with" if report.ok() else "not fit to measure with")


@app.command()
def build(
    out: Annotated[Path, typer.Option(help="A folder that does not exist yet, or is empty.")],
    profiles: Annotated[int, typer.Option(min=1, help="People; 1,000 is the paper's size.")] = 1000,
    seed: Annotated[int, typer.Option(help="Other seeds, other people.")] = 0,
    image_size: Annotated[int, typer.Option(min=16, help="Pixels a side.")] = 336,
) -> None:
    """Write the synthetic S-MLLMUn-shaped data set as a folder that `datasets` loads."""
    from smllmun_bench.data.synthetic.smllmun import write_folder
    from smllmun_bench.report.console import make_console

    with make_console(stderr=True).status(f"writing {profiles} profiles"):
        write_folder(out, profiles=profiles, seed=seed, image_size=image_size)
    typer.echo(f"data  {out}")
