"""`smllmun-bench models`: what methods can be run on."""

from typing import Annotated

import typer

from smllmun_bench.cli._lists import print_list


def models(as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False) -> None:
    """List the registered models; any other folder or hub id works too."""
    from smllmun_bench.pipeline import cards

    rows: list[dict[str, object]] = []
    for name in cards.names():
        card = cards.load(name)
        rows.append({"name": name, "aliases": [], "description": card.description, "licence": card.licence})
    print_list(rows, ("name", "description", "licence"), as_json=as_json, keys=("name", "aliases", "description"))
