"""Every module can be imported: a name that is used and not imported is found here, not by a user."""

import importlib
import pkgutil
from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter

import grimp

import smllmun_bench

MODULES = [module.name for module in pkgutil.walk_packages(smllmun_bench.__path__, "smllmun_bench.")]


def test_every_module_can_be_imported() -> None:
    for name in MODULES:
        if not name.endswith("__main__"):  # which runs the command line
            importlib.import_module(name)


def test_the_list_is_not_empty() -> None:
    assert {"smllmun_bench.methods.smfa", "smllmun_bench.experiments.run", "smllmun_bench.models.vlm"} <= set(MODULES)


def circle(imports: Mapping[str, Collection[str]]) -> list[str]:
    """Modules that import each other in a circle; none if there is no circle."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions count: they hide a circle and do not open it. Imports for types alone do not: `Vlm` has
    prompt filters and a batch layout, and the functions that set them say that they take a `Vlm`."""
    graph = grimp.build_graph("smllmun_bench", exclude_type_checking_imports=True)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert "smllmun_bench.stages.stopping" in imports["smllmun_bench.stages.unlearning"]
    assert circle(imports) == []
    stages = "smllmun_bench.stages"
    assert circle(imports | {f"{stages}.stopping": {f"{stages}.unlearning"}}) != []
