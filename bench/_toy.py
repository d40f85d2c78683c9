"""The shipped toy with its data, as the benchmarks use it."""

from smllmun_bench.cli._shop import Asked, open_shop
from smllmun_bench.pipeline import stages
from smllmun_bench.pipeline.stages import Workshop
from smllmun_bench.report.console import make_console


def toy_shop(device: str = "cpu") -> Workshop:
    asked = Asked("toy", "smllmun-toy", device=device, quiet=True)
    return open_shop(asked, make_console(quiet=True)).shop


def target_path(shop: Workshop) -> str:
    return stages.target(shop).path
