"""`smllmun-bench score`: score saved predictions, ours or another tool's. Loads no model."""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smllmun_bench.cli import _options
from smllmun_bench.schema import Fold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smllmun_bench.experiments.saved import Asked
    from smllmun_bench.importers.samples import Filtered
    from smllmun_bench.importers.utility import Utility


class Format(StrEnum):
    OURS = "ours"
    TOFU = "tofu"
    OPEN_UNLEARNING = "open-unlearning"
    LM_EVAL = "lm-eval"
    LMMS_EVAL = "lmms-eval"


def score(
    predictions: Annotated[Path, typer.Argument(help="Parquet or JSONL; with --format, the log of another tool.")],
    task: Annotated[str, typer.Option("--task", "-t", help="The task that was asked.")] = "smllmun-toy",
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with the benchmark's files, in upstream's layout.")
    ] = None,
    forget_ratio: Annotated[int | None, typer.Option(help="Percent; the task's default.")] = None,
    fold: Annotated[Fold, typer.Option(help="Whose request was asked.")] = Fold.TEST,
    limit: Annotated[float | None, typer.Option("--limit", "-L", help="As in the run.")] = None,
    form: Annotated[Format, typer.Option("--format", help="Who wrote the file.")] = Format.OURS,
    retain: Annotated[
        Path | None, typer.Option(help="tofu, open-unlearning: the retain model's log, for forget quality.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write items.parquet here, for `compare` and `judge`.")
    ] = None,
    as_run: Annotated[
        str | None, typer.Option(help="Name of the model that answered: write a run folder, a row of its own.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Where --as-run writes.")] = Path("results/runs"),
    include: _options.Include = None,
    as_json: Annotated[bool, typer.Option("--json", help="All scores as JSON.")] = False,
) -> None:
    """Score saved predictions. The numbers are those of the live run."""
    from smllmun_bench.cli._session import open_asked
    from smllmun_bench.errors import UserError

    if retain is not None and form not in (Format.TOFU, Format.OPEN_UNLEARNING):
        raise UserError(f"format {form.value!r} has no forget quality", where="--retain", fix="leave it out")
    if output is not None and form is not Format.OURS:
        raise UserError("the items of another tool are not those of a task", where="--output", fix="leave it out")
    if as_run is not None and form is not Format.OURS:
        raise UserError("the items of another tool are not those of a task", where="--as-run", fix="leave it out")
    match form:
        case Format.OURS:
            asked = open_asked(task, data, forget_ratio, fold, limit)
            _score_ours(predictions, asked, output, as_json, _Row(as_run, results) if as_run is not None else None)
        case Format.TOFU:
            from smllmun_bench.importers.tofu import read_tofu

            _tell_utility(read_tofu(predictions, retain), as_json)
        case Format.OPEN_UNLEARNING:
            from smllmun_bench.importers.open_unlearning import read_open_unlearning

            _tell_utility(read_open_unlearning(predictions, retain), as_json)
        case Format.LM_EVAL:
            from smllmun_bench.importers.lm_eval import read_lm_eval

            _tell_samples(read_lm_eval(predictions), as_json)
        case Format.LMMS_EVAL:
            from smllmun_bench.importers.lmms_eval import read_lmms_eval

            _tell_samples(read_lmms_eval(predictions), as_json)


@dataclass(frozen=True, slots=True)
class _Row:
    """The row that a file becomes, and the folder of its run folder."""

    label: str
    results: Path


def _score_ours(path: Path, asked: "Asked", output: Path | None, as_json: bool, row: _Row | None) -> None:
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.experiments import saved
    from smllmun_bench.report.console import make_console
    from smllmun_bench.results.predictions import read_predictions
    from smllmun_bench.results.scored_items import write_scored_items
    from smllmun_bench.scoring.items import score_items
    from smllmun_bench.scoring.summary import summarise

    spec = asked.task
    answers = read_predictions(path, tell=lambda message: typer.echo(f"note: {message}", err=True))
    if left := saved.unavailable(asked.items, answers, spec):
        gone = {item.item_id for item in left}
        asked = replace(asked, items=asked.without(left))
        answers = [answer for answer in answers if answer.item_id not in gone]
        typer.echo(f"note: no log-probabilities, so {len(left)} questions that need them are n/a", err=True)
    items = asked.items
    scores = score_items(items, answers, spec.metrics, directions=spec.direction)
    summary = summarise(scores)
    if output is not None:
        write_scored_items(output / "items.parquet", items, answers, scores)
        typer.echo(f"items  {output / 'items.parquet'}", err=True)
    if row is not None:
        about = {"kind": "file", "name": path.name}
        typer.echo(f"run  {saved.write_run(asked, answers, row.label, row.results, about=about)}", err=True)
    if as_json:
        typer.echo(summary.to_json())
        return
    lines = [
        (cell.role.value, cell.modality.value, cell.n, f"{cell.headline:.3f}", *cell.states.values())
        for cell in summary.cells
    ]
    columns = ("role", "modality", "n", "score", *summary.cells[0].states)
    make_console().print(lines_table(spec.name, columns, lines))


def _tell_utility(found: "Utility", as_json: bool) -> None:
    import json
    from dataclasses import asdict

    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.report.console import make_console, plain

    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1, sort_keys=True, allow_nan=False))
        return
    console = make_console()
    lines = [
        (name, scores.n or None, *map(_number, (scores.probability, scores.rouge_l_recall, scores.truth_ratio)))
        for name, scores in found.sets.items()
    ]
    if lines:
        console.print(lines_table("", ("set", "n", "probability", "ROUGE-L recall", "truth ratio"), lines))
    own = "as the log says, not computed again"
    if "model_utility" in found.as_logged:
        console.print(f"model utility {found.model_utility:.4f} ({own})")
    elif found.model_utility is None:
        console.print(f"model utility: not without {', '.join(found.missing)}", soft_wrap=True)
    else:
        console.print(f"model utility {found.model_utility:.4f} (harmonic mean of the nine, forget set apart)")
    if "forget_quality" in found.as_logged:
        console.print(f"forget quality p = {found.forget_quality:.3g} ({own})")
    elif found.forget_quality is None:
        console.print("forget quality: needs the retain model's log (--retain), with every question of the forget set")
    else:
        console.print(f"forget quality p = {found.forget_quality:.3g}, KS D = {found.forget_ks:.4f}")
    for one in found.disagreements:
        console.print(f"the log says {one.name} = {one.recorded:.6g}; its questions come to {one.recomputed:.6g}")
    for note in found.notes:
        console.print(plain(f"note: {note}"), soft_wrap=True)


def _tell_samples(found: "list[Filtered]", as_json: bool) -> None:
    import json
    from dataclasses import asdict

    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.report.console import make_console, plain

    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=1, sort_keys=True, allow_nan=False))
        return
    lines: list[tuple[object, ...]] = []
    for one in found:
        means = ({} if one.accuracy is None else {"accuracy (ours)": one.accuracy}) | dict(one.recorded)
        for name, mean in means.items():
            interval = f"{mean.low:.4f} … {mean.high:.4f}"
            lines.append((one.filter, one.form, name, f"{mean.mean:.4f}", interval, mean.n))
        lines += [(one.filter, one.form, name, f"{figure:.4f}", None, None) for name, figure in one.figures.items()]
    console = make_console()
    if lines:
        console.print(lines_table("", ("filter", "read as", "metric", "value", "95 %", "n"), lines))
    for one in found:
        for line in _about(one):
            console.print(plain(f"{one.filter}: {line}"), soft_wrap=True)


def _about(one: "Filtered") -> "Iterator[str]":
    """What is to be said of one filter below the table."""
    if one.accuracy is None:
        yield f"{one.n} rows, no accuracy of ours: {one.no_accuracy}"
    else:
        chance = "" if one.chance_corrected is None else f", {one.chance_corrected:.4f} corrected for chance"
        differs = f", {one.differs} verdicts differ from the log's" if one.differs else ""
        yield f"{one.unparsed} of {one.n} unparsed{chance}{differs}"
    if one.figures:
        yield f"of the whole set, by its own formula: {', '.join(one.figures)}"
    if one.left_out:
        yield f"not shown, its rows do not give it: {', '.join(one.left_out)}"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
