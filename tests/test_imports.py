"""Every module can be imported: a name that is used and not imported is found here, not by a user."""

import importlib
import pkgutil

import pytest

import smllmun_bench

MODULES = [module.name for module in pkgutil.walk_packages(smllmun_bench.__path__, "smllmun_bench.")]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_import(name: str) -> None:
    importlib.import_module(name)


def test_the_list_is_not_empty() -> None:
    assert {"smllmun_bench.methods.smfa", "smllmun_bench.experiments.run", "smllmun_bench.models.vlm"} <= set(MODULES)
