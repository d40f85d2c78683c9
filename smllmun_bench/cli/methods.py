"""`smllmun-bench methods`: what can be run."""

from typing import Annotated

import typer

from smllmun_bench.cli import _options
from smllmun_bench.cli._lists import print_list


def methods(
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False,
    include: _options.Include = None,
) -> None:
    """List the unlearning methods."""
    from smllmun_bench import methods as catalogue
    from smllmun_bench.methods.base import suppresses
    from smllmun_bench.stages import method_recipes

    rows: list[dict[str, object]] = []
    for name in catalogue.usable():
        method = catalogue.get(name)
        rows.append(
            {
                "name": name,
                "aliases": list(method.aliases),
                "description": method.description,
                "fidelity": method.fidelity.value,
                "kind": "test-time" if suppresses(method) else "weights",
                "changes": "suppression, weights unchanged" if suppresses(method) else "weights",
                "also": ", ".join(method.aliases),
                "needs": method.needs.words(),
                "variants": ", ".join(f"@{variant}" for variant in method_recipes.variants(name)),
            }
        )
    columns = ("name", "also", "fidelity", "changes", "description", "needs", "variants")
    print_list(rows, columns, as_json=as_json, keys=("name", "aliases", "description", "fidelity", "kind"))
