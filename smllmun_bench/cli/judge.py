"""`smllmun-bench judge`: ratings by another model, and whether two judges agree."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from smllmun_bench.errors import UserError
from smllmun_bench.schema import Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from smllmun_bench.judge.cache import Cache
    from smllmun_bench.judge.endpoint import EndpointSettings
    from smllmun_bench.judge.judged import Judged
    from smllmun_bench.judge.prompts import Prompt
    from smllmun_bench.judge.protocol import Judge
    from smllmun_bench.judge.rate import Rating

RESULTS = Path("results")
DAY_S = 86_400


class _RunFirst(TyperGroup):
    """`judge RUN …` is `judge run RUN …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["run", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


app = typer.Typer(
    cls=_RunFirst,
    name="judge",
    help="Have a judge rate the answers of a run (`judge RUN`), or compare two judges (`judge agreement A B`).",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("run")
def run(
    run: Annotated[str, typer.Argument(help="A run folder, a run id below --results, or an items.parquet.")],
    prompt: Annotated[str, typer.Option(help="fact, meaningful, or a YAML file.")] = "fact",
    endpoint: Annotated[str | None, typer.Option(help="OpenAI-compatible address, up to and with /v1.")] = None,
    model: Annotated[str | None, typer.Option(help="The endpoint's name of the judge.")] = None,
    key_env: Annotated[str | None, typer.Option(help="Variable that holds the endpoint's key; none, no key.")] = None,
    local: Annotated[Path | None, typer.Option(help="Folder of a local text model instead.")] = None,
    function: Annotated[str | None, typer.Option(help="A Python function instead: module:function.")] = None,
    role: Annotated[list[Role] | None, typer.Option(help="These roles only; all but general.")] = None,
    results: Annotated[Path, typer.Option(help="Where run ids are looked up.")] = RESULTS,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; beside the run's scores.")] = None,
    parallel: Annotated[int, typer.Option(min=1, help="Requests at a time.")] = 8,
    timeout: Annotated[float, typer.Option(min=0.01, max=DAY_S, help="Seconds for one attempt.")] = 60.0,
    attempts: Annotated[int, typer.Option(min=1, help="Attempts for one answer.")] = 4,
    pause: Annotated[float, typer.Option(min=0, max=DAY_S, help="Seconds before the second attempt; doubles.")] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Length of the judge's reply.")] = 64,
    device: Annotated[str, typer.Option(help="Of a local judge: cpu, cuda, mps.")] = "cpu",
    cache: Annotated[Path | None, typer.Option(help="Where answers are kept; beside the store.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask everything again, keep nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The cells as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q")] = False,
) -> None:
    """Rate the written answers of a run; exit 1 if some have no rating. The run's own scores are not touched."""
    from smllmun_bench.judge import judged, prompts
    from smllmun_bench.judge.cache import Cache
    from smllmun_bench.judge.rate import failures
    from smllmun_bench.store.atomic import writable_file, writable_folder
    from smllmun_bench.store.hashing import file_digest
    from smllmun_bench.store.store import default_root

    asked = prompts.load(prompt)
    items, name = _items(run, results)
    rows = _rows(items, role)
    settings = None
    if endpoint is not None:
        settings = _settings(
            endpoint,
            model,
            max_tokens=max_tokens,
            timeout_s=timeout,
            attempts=attempts,
            pause_s=pause,
            parallel=parallel,
        )
    judge = _judge(settings, key_env, local, function, device, max_tokens)
    path = writable_file(output or items.with_name(judged.file_name(asked, judge.identity)))
    kept = None if no_cache else Cache(writable_folder(cache or default_root() / "judge"))
    ratings = _ratings(rows, asked, judge, kept, quiet)
    found = judged.judged(rows, ratings, asked, judge.identity, run=name, items_digest=file_digest(items))
    judged.write(path, found)
    _tell(found, path, as_json=as_json, quiet=quiet)
    if failures(ratings):
        raise typer.Exit(1)


@app.command("agreement")
def agreement(
    a: Annotated[Path, typer.Argument(help="What `judge RUN` wrote.")],
    b: Annotated[Path, typer.Argument(help="The same answers, rated by another judge.")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Agreement of two judges on the same answers."""
    import json
    from dataclasses import asdict

    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.judge import judged
    from smllmun_bench.judge.agreement import agreement as measure
    from smllmun_bench.report.console import make_console

    first, second = judged.read(a), judged.read(b)
    for what, ours, theirs in (
        ("prompts", first.prompt.digest, second.prompt.digest),
        ("answers", first.items_digest, second.items_digest),
    ):
        if ours != theirs:
            raise UserError(
                f"the two judges were given different {what}", where=f"{a} and {b}", fix="judge one run twice"
            )
    by_id = [{item.item_id: item.rating for item in one.items} for one in (first, second)]
    found = measure(*by_id)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1, allow_nan=False))
        return
    lines: list[tuple[str, object]] = [
        (f"A: {first.judge['model']}, mean", _number(found.mean_a)),
        (f"B: {second.judge['model']}, mean", _number(found.mean_b)),
        ("rated by both", found.n),
        ("by A only, by B only, by neither", f"{found.only_a}, {found.only_b}, {found.neither}"),
        ("same rating", _number(found.same)),
        ("within one point", _number(found.within_one)),
        ("Cohen's kappa", _number(found.kappa)),
        ("kappa, quadratic weights", _number(found.weighted_kappa)),
        ("Pearson", _number(found.pearson)),
    ]
    make_console().print(lines_table(f"{first.prompt.name}, version {first.prompt.version}", ("", "value"), lines))


def _items(run: str, results: Path) -> tuple[Path, str]:
    """The scored items, and what to call them."""
    from smllmun_bench.results.run_folder import ITEMS, find_run

    if Path(run).is_file():
        return Path(run), Path(run).stem
    if (Path(run) / ITEMS).is_file() and not (Path(run) / "manifest.json").is_file():  # what `score --output` wrote
        return Path(run) / ITEMS, Path(run).name
    found = find_run(run, results)
    return found.folder / ITEMS, found.manifest.run_id


def _rows(items: Path, roles: list[Role] | None) -> "Sequence[Mapping[str, Any]]":
    """What there is to rate."""
    from smllmun_bench.judge import judged
    from smllmun_bench.results.scored_items import read_scored_items

    rows = judged.written(read_scored_items(items), roles or judged.PAPER_ROLES)
    if not rows:
        raise UserError("no written answer of these roles", where=str(items), fix="another --role")
    return rows


def _settings(url: str, model: str | None, **limits: float) -> "EndpointSettings":
    from pydantic import ValidationError

    from smllmun_bench.judge.endpoint import EndpointSettings

    if model is None:
        raise UserError("no model is named", where="--model", fix="the endpoint's name of the judge")
    try:
        return EndpointSettings.model_validate({"url": url, "model": model, **limits})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = "--" + str(first["loc"][0]).removesuffix("_s").replace("_", "-")
        raise UserError(f"not a setting of a judge: {first['msg']}", where=option) from None


def _ratings(
    rows: "Sequence[Mapping[str, Any]]", asked: "Prompt", judge: "Judge", cache: "Cache | None", quiet: bool
) -> "list[Rating]":
    """A rating or a failure for each, with a bar on stderr."""
    from smllmun_bench.judge.judged import questions
    from smllmun_bench.judge.rate import rate
    from smllmun_bench.report.console import make_console, progress

    what = f"{asked.name} by {judge.identity['model']}"
    with progress(make_console(stderr=True), quiet).task(what, len(rows)) as bar:
        return rate(questions(rows), asked, judge, cache, bar)


def _judge(
    settings: "EndpointSettings | None",
    key_env: str | None,
    local: Path | None,
    function: str | None,
    device: str,
    max_tokens: int,
) -> "Judge":
    if sum(part is not None for part in (settings, local, function)) != 1:
        raise UserError(
            "name one judge", fix="--endpoint URL --model NAME, or --local FOLDER, or --function module:name"
        )
    if settings is not None:
        from smllmun_bench.judge.endpoint import Endpoint
        from smllmun_bench.judge.secret import from_environment

        return Endpoint(settings, from_environment(key_env))
    if local is not None:
        from smllmun_bench.cli._session import stay_offline
        from smllmun_bench.judge.local import LocalModel

        stay_offline()
        return LocalModel(local, device=device, max_tokens=max_tokens)
    from smllmun_bench.judge.function import Function

    return Function(function or "")


def _tell(found: "Judged", path: Path, *, as_json: bool, quiet: bool) -> None:
    import json

    from smllmun_bench.cli._judged import judged_summary
    from smllmun_bench.judge.judged import cells, paper_composites
    from smllmun_bench.report.console import make_console, plain

    measured, composites = cells(found), paper_composites(found)
    if as_json:
        whole = {
            "cells": [cell.model_dump(mode="json") for cell in measured],
            "composites": composites.model_dump(),
            "file": str(path),
        }
        typer.echo(json.dumps(whole, indent=1, allow_nan=False))
        return
    if quiet:
        return
    console = make_console()
    for part in judged_summary(found):
        console.print(part)
    for failure, detail in _examples(found).items():
        console.print(plain(f"{failure}, for example: {detail}"), soft_wrap=True)
    console.print(f"written  {path}", soft_wrap=True)


def _examples(found: "Judged") -> dict[str, str]:
    """The first failure of each kind, in words."""
    failed = [item for item in reversed(found.items) if item.failure is not None]
    return {item.failure.value: f"{item.item_id}: {item.detail or repr(item.said)}" for item in failed if item.failure}


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
