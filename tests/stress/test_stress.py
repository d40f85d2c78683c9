"""The short form of `make stress`: a few of each, on the models that the session has made already."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STRESS = Path(__file__).parent
SHARE = "0.05"
CHECKS = ("chosen-kills", "damage", "malformed")  # the others take minutes


@pytest.fixture
def figures_module(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(STRESS))
    monkeypatch.delitem(sys.modules, "figures", raising=False)
    import figures

    yield figures
    sys.modules.pop("figures", None)


def test_a_little_stress_ends_well(nano_store: Path) -> None:
    command = [sys.executable, str(STRESS), "--share", SHARE, "--store", str(nano_store), "--only", *CHECKS]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert rows[0] == f"seed 0, share {SHARE}"
    tries, well = rows[-1].split()[1:]
    assert tries == well
    assert int(tries) >= 50


def test_a_fault_is_counted(figures_module) -> None:
    """Without this the test above could not fail."""
    figure = figures_module.Figure("kills", "now")
    figure.count(None)
    figure.count("other bytes in scores.json")
    assert figures_module.table([figure]).splitlines()[1:] == [
        "kills  now       2     1",
        "all              2     1",
    ]


def test_other_bytes_are_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(STRESS))
    import commands

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "scores.json").write_text("{}")
    before = commands.results(tmp_path)
    (tmp_path / "a" / "scores.json").write_text("{ }")
    (tmp_path / "a" / ".scores.json.12.00c0ffee.tmp").write_text("")
    assert commands.difference(commands.results(tmp_path), before) == "other bytes in a/scores.json"
    assert commands.leftovers(tmp_path) == "left behind: a/.scores.json.12.00c0ffee.tmp"
