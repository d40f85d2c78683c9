"""The benchmarks name parts of the package: a part that moved away is found here, not when somebody measures."""

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.mark.parametrize("script", sorted(path.stem for path in BENCH.glob("[a-z]*.py")))
def test_a_benchmark_can_be_imported(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    spec = importlib.util.spec_from_file_location(f"bench_{script}", BENCH / f"{script}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look there
    spec.loader.exec_module(module)
    for owner, path, _ in getattr(module, "PARTS", ()):
        part = importlib.import_module(f"smllmun_bench.{owner}")
        for name in path.split("."):
            part = getattr(part, name)
        assert callable(part)
