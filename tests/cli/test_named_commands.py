"""Whatever a message or a page tells a person to type exists: the command, its subcommand and its long options."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from smllmun_bench.cli.main import app, dashed

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = [path for path in sorted((ROOT / "smllmun_bench").rglob("*.py")) if "_store" not in path.parts]
_COMMAND = re.compile(r"(?:(?<=`)|^\s*(?:[A-Z_]+=\S+ )*)smllmun-bench([ \t]+[^`#|…]*)")  # in code, or a line of its own
_TOP = typer.main.get_command(app)


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and their numbers: of a page all, of code every string, with `X` for what is put in."""
    if path.suffix == ".md":
        yield from enumerate(path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines(), 1)
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "X" for part in node.values]
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from enumerate(node.value.splitlines(), node.lineno)


def _typed() -> list[tuple[str, str]]:
    """(where, what follows the program's name)"""
    return [
        (f"{path.relative_to(ROOT)}:{number}", found[1].strip())
        for path in (*PAGES, *CODE)
        for number, line in _texts(path)
        for found in _COMMAND.finditer(line)
        if re.match(r"[a-z-]", found[1].strip())
    ]


def _fault(typed: str) -> str:
    """What of a command does not exist, or nothing. Prose after the command is passed over."""
    words = _words(typed)
    command = _TOP
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if command is _TOP and (not words or not words[0].startswith("-")):
        return f"no command {words[0] if words else ''!r}"
    if hasattr(command, "commands") and command is not _TOP and words and words[0].isalpha() and words[0].islower():
        first = command.commands.get("run")  # `judge RUN` is `judge run RUN`
        if first is None:
            return f"{command.name} has no {words[0]!r}"
    if hasattr(command, "commands") and command is not _TOP:
        command = command.commands.get("run", command)
    known = {option for part in command.params for option in part.opts} | {"--help", "-h"}
    unknown = [word for word in dashed(words) if re.match(r"--[a-z]", word) and word.partition("=")[0] not in known]
    return f"{command.name} has no {', '.join(unknown)}" if unknown else ""


def _words(typed: str) -> list[str]:
    try:
        return shlex.split(typed)
    except ValueError:
        return typed.split()  # an apostrophe of the prose that follows


def test_every_command_that_is_named_exists() -> None:
    typed = _typed()
    assert len(typed) > 100
    assert [f"{where}: {fault} ({what})" for where, what in typed if (fault := _fault(what))] == []


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ("store gc", ""),
        ("store g", "store has no 'g'"),
        ("stoer gc", "no command 'stoer'"),
        ("run --method smfa --seeds 3", ""),
        ("run --methd smfa", "run has no --methd"),
        ("judge RUN --prompt fact", ""),
        ("models get small --from FILE", ""),
        ("models get small --form FILE", "get has no --form"),
        ("--version", ""),
    ],
)
def test_what_does_not_exist_is_found(typed: str, fault: str) -> None:
    assert _fault(typed) == fault
