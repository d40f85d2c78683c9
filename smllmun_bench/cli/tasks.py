"""`smllmun-bench tasks`: what can be asked."""

from typing import Annotated

import typer

from smllmun_bench.cli import _options
from smllmun_bench.cli._lists import print_list


def tasks(
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False,
    include: _options.Include = None,
) -> None:
    """List the tasks."""
    from smllmun_bench import tasks as registry

    rows: list[dict[str, object]] = [
        {
            "name": summary.name,
            "aliases": [],
            "description": summary.spec.description if summary.spec is not None else f"broken: {summary.faults}",
            "forget %": ", ".join(map(str, summary.spec.forget_percents.available)) if summary.spec is not None else "",
            "licence": summary.spec.licence if summary.spec is not None else "",
            "fidelity": summary.spec.fidelity.value if summary.spec is not None else "",
        }
        for summary in registry.describe()
    ]
    columns = ("name", "description", "forget %", "licence", "fidelity")
    print_list(rows, columns, as_json=as_json, keys=("name", "aliases", "description"))
