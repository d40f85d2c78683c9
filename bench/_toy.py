"""The shipped toy with its data, as the benchmarks use it."""

from smllmun_bench import stages
from smllmun_bench.cli._session import RunOptions, open_context
from smllmun_bench.report.console import make_console
from smllmun_bench.stages import RunContext


def toy_context(device: str = "cpu") -> RunContext:
    asked = RunOptions("toy", "smllmun-toy", device=device, quiet=True)
    return open_context(asked, make_console(quiet=True)).context


def target_path(context: RunContext) -> str:
    return stages.target(context).path
