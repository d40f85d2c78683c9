"""How a list of registered things is printed: a table for people, JSON for programs."""

import json
from collections.abc import Sequence

import typer


def print_list(
    rows: Sequence[dict[str, object]], columns: Sequence[str], *, as_json: bool, keys: Sequence[str]
) -> None:
    """`keys` of each row as JSON objects, or its `columns` as a table."""
    if as_json:
        typer.echo(json.dumps([{key: row[key] for key in keys} for row in rows], indent=1, ensure_ascii=False))
        return
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.report.console import make_console

    make_console().print(lines_table("", columns, ([row[column] for column in columns] for row in rows)))
