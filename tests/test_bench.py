"""The benchmarks name parts of the package: a part that moved away is found here, not when somebody measures. What they
measure is not tested; those that are quick, or that wait for a card, are run."""

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
FIELDS = {"name", "ratio", "ours", "other", "unit", "equal"}


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


def _lines(script: str, *arguments: str) -> list[dict[str, object]]:
    command = [sys.executable, str(BENCH / script), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl"])
def test_what_is_measured_on_a_card_runs_anywhere(family: str) -> None:
    size = ["--tiny", "--device", "cpu", "--steps", "1", "--items", "8", "--batch", "1"]
    found = _lines("gpu.py", "--family", family, *size)
    assert len(found) == 2  # memory is that of a card
    assert all(set(line) == FIELDS and line["equal"] for line in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("evaluation.py", "--items", "8", "--rounds", "1"),
        ("npo_step.py", "--steps", "1", "--batch", "4"),
        ("rouge.py",),
        ("draws.py", "--rounds", "1"),
        ("startup.py",),
    ],
)
def test_the_others_give_one_line_for_each_figure(command: tuple[str, ...]) -> None:
    found = _lines(*command)
    assert found
    assert all(set(line) >= FIELDS and line["equal"] for line in found)
