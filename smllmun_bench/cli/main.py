"""`smllmun-bench`: the commands, and the one place where errors become text and exit codes.

0: done; 1: done, and something did not hold (a method failed, a score moved, the output could not be written); 2: bad
input; 130: interrupted; 143, 129: stopped by SIGTERM, by SIGHUP.
"""

import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from smllmun_bench import __version__, runtime
from smllmun_bench.cli._network import no_network
from smllmun_bench.errors import Notice, UserError
from smllmun_bench.report.output import escaped_output
from smllmun_bench.store import atomic

COMMANDS = (  # a module of this folder and the function in it, in the order of `--help`
    "run", "score", "show", "compare", "attack", "leaderboard", "agree", "regress", "tune", "memorise", "metaeval",
    "sanity", "methods", "tasks", "validate",
    "export",
)  # fmt: skip
GROUPS = ("models", "judge", "data", "toy", "store")
BAD_INPUT = 2


def dashed(arguments: list[str]) -> list[str]:
    """Names of long options with `-` for `_`; values, and all that follows `--`, stay as they are.

    >>> dashed(["run", "--forget_ratio=5", "--batch_size", "8", "--set", "mask=random_energy"])
    ['run', '--forget-ratio=5', '--batch-size', '8', '--set', 'mask=random_energy']
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [_dashed(argument) for argument in arguments[:end]] + arguments[end:]


def _dashed(argument: str) -> str:
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value if name.startswith("--") else argument


@contextmanager
def _told_as_lines() -> Iterator[None]:
    """A notice is one line, told once; other warnings are Python's business."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", Notice)
        others, told = warnings.showwarning, set[str]()

        def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
            if not issubclass(category, Notice):
                others(message, category, *rest, **more)
            elif str(message) not in told:
                told.add(str(message))
                sys.stderr.write(f"warning: {message}\n")

        warnings.showwarning = show
        yield


class _Group(TyperGroup):
    """Errors of the person are told, not traced; a bug of ours keeps its traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        parsed: list[str] = super().parse_args(ctx, dashed(args))
        return parsed

    def main(self, *args: Any, **options: Any) -> Any:
        """The output passes one door; whatever could not be printed, the work was done."""
        with escaped_output() as output, _told_as_lines():
            try:
                return super().main(*args, **options)
            except SystemExit as stop:
                if (failure := output.lost()) is None:
                    raise
                output.discard()
                if not isinstance(failure, BrokenPipeError):  # `| head` has what it wants
                    sys.stderr.write(f"error: the output cannot be written: {failure.strerror or failure}\n")
                raise SystemExit(stop.code or 1) from None

    def invoke(self, ctx: Any) -> Any:
        asked = "--online" in [*getattr(ctx, "_protected_args", ()), *ctx.args]
        try:
            with nullcontext() if asked else no_network():
                return super().invoke(ctx)
        except UserError as error:
            sys.stderr.write(f"error: {error}\n")
            raise typer.Exit(BAD_INPUT) from None
        except OSError as error:
            if error.errno not in atomic.REFUSALS or error.filename is None:
                raise
            told = UserError(f"the system refuses: {error.strerror}", where=str(error.filename), fix="another path")
            sys.stderr.write(f"error: {told}\n")
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt as stop:
            by = f" by {stop}" if isinstance(stop, runtime.Stopped) else ""
            sys.stderr.write(f"\ninterrupted{by}; nothing finished is lost: run the same command again\n")
            raise typer.Exit(128 + (stop.number if isinstance(stop, runtime.Stopped) else signal.SIGINT)) from None


app = typer.Typer(
    cls=_Group,
    name="smllmun-bench",
    help="How well does a method make a multimodal model forget some people, and nothing else?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # `[forget]` in a help text is no markup, and help starts faster
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name in COMMANDS:
    app.command(name)(getattr(import_module(f"smllmun_bench.cli.{name}"), name))
for name in GROUPS:
    app.add_typer(import_module(f"smllmun_bench.cli.{name}").app, name=name)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    runtime.quiet_threads()
    runtime.stop_as_by_ctrl_c()
    app()
