"""`smllmun-bench store`: what finished stages take on the disk, whether they are whole, and what can go."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from smllmun_bench.store.store import Store

app = typer.Typer(
    name="store",
    help="Finished stages on this machine: list, verify, gc, path.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Root = Annotated[Path | None, typer.Option("--store", help="Another store than $SMLLMUN_STORE.")]


@app.command("list")
def list_(store: Root = None, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Every finished stage: its size, when and by what it was made; the total."""
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.report.console import make_console, plain
    from smllmun_bench.store import upkeep

    opened = _opened(store)
    found = upkeep.held(opened)
    if as_json:
        rows = [
            {
                "stage": one.stage,
                "key": one.key,
                "made_by": one.made_by,
                "created": one.manifest.created.isoformat() if one.manifest else None,
                "bytes": one.bytes,
                "path": str(one.folder),
            }
            for one in found
        ]
        typer.echo(json.dumps(rows, indent=1))
        return
    lines = [
        (
            one.stage,
            one.key[: upkeep.SHORT],
            (one.made_by or None) if one.manifest else "damaged",
            f"{one.manifest.created:%Y-%m-%d %H:%M}" if one.manifest else None,
            _size(one.bytes) + ("" if one.folder.is_relative_to(opened.root) else " (ships with the package)"),
        )
        for one in found
    ]
    console = make_console()
    if lines:
        console.print(lines_table("", ("stage", "key", "made by", "created (UTC)", "size"), lines))
    mine = [one for one in found if one.folder.is_relative_to(opened.root)]
    console.print(plain(f"{len(mine)} in {opened.root}: {_size(sum(one.bytes for one in mine))}"), soft_wrap=True)


@app.command("verify")
def verify(store: Root = None) -> None:
    """Read every byte and name what is not as it was made; exit 1 if there is any. A run makes such a stage again."""
    from smllmun_bench.report.console import plain
    from smllmun_bench.store import upkeep

    opened = _opened(store)
    faults = upkeep.verify(opened)
    for fault in faults:
        typer.echo(plain(f"{fault.path}: {fault.what}").plain)
    typer.echo(f"{sum(1 for _ in opened.entries())} stages read, {len({f.path.parent for f in faults})} damaged")
    if faults:
        raise typer.Exit(1)


@app.command("gc")
def gc(
    store: Root = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    older_than: Annotated[
        float, typer.Option(min=0, help="Hours. What is younger stays: a run that goes on may use it.")
    ] = 24.0,
    everything: Annotated[bool, typer.Option("--all", help="Also what recorded runs used.")] = False,
) -> None:
    """Remove what no recorded run uses, what killed runs left, and what was damaged. All of it can be made again."""
    from smllmun_bench.report.console import plain
    from smllmun_bench.store import upkeep

    opened = _opened(store)
    keep = set() if everything else upkeep.recorded_keys(opened)
    gone = upkeep.collect(opened, keep, older_than_s=older_than * upkeep.HOUR_S, dry_run=dry_run)
    for one in gone:
        typer.echo(plain(f"{_size(one.bytes):>9}  {one.folder}  ({one.why})").plain)
    left = sum(one.bytes for one in upkeep.held(opened) if one.folder.is_relative_to(opened.root))
    freed = sum(one.bytes for one in gone)
    typer.echo(f"{'would free' if dry_run else 'freed'} {_size(freed)}; {_size(left)} in {opened.root}")


@app.command("path")
def path(
    key: Annotated[str | None, typer.Argument(help="The key of a stage, or how it begins.")] = None, store: Root = None
) -> None:
    """The folder of a stage; without a key that of the store."""
    from smllmun_bench.store import upkeep

    opened = _opened(store)
    typer.echo(opened.root if key is None else upkeep.by_prefix(opened, key))


def _opened(root: Path | None) -> "Store":
    from smllmun_bench.cli._session import open_store

    return open_store(root)


def _size(count: int) -> str:
    """Decimal units, as `df -H` and `ls --si` have them.

    >>> _size(999), _size(1_500_000), _size(14 * 10**9)
    ('999 B', '1.5 MB', '14.0 GB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"
