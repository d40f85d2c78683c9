"""Every docstring example of the metrics and of scoring runs."""

import doctest
import importlib
import pkgutil

import pytest

from smllmun_bench import metrics

MODULES = sorted(f"smllmun_bench.metrics.{module.name}" for module in pkgutil.iter_modules(metrics.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0
    assert found.attempted or name.endswith("item_metrics"), "a metric without an example"
