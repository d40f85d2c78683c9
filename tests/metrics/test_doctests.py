"""Every docstring example of the metrics and of scoring runs."""

import doctest
import importlib
import pkgutil

import pytest

from smllmun_bench import metrics

PREFIX = "smllmun_bench.metrics."
MODULES = sorted(module.name for module in pkgutil.walk_packages(metrics.__path__, PREFIX) if not module.ispkg)
TABLES = ("item_metrics", "matching", "vqa.rules")  # functions with their examples elsewhere, or of records


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0
    assert found.attempted or name.endswith(TABLES), "a metric without an example"
