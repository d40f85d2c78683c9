"""OpenMP is set up before torch loads; what the user has set stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from smllmun_bench import runtime

NAMES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")  # remembered, and put back after the test
        monkeypatch.delenv(name)


def test_the_command_sets_what_is_unset_before_torch_is_there() -> None:
    code = (
        "import sys, json, os, smllmun_bench.cli.main as m\n"
        "m.app = lambda: print(json.dumps([dict(os.environ), 'torch' in sys.modules]))\n"
        "m.main()"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    environment, loaded = json.loads(told.stdout)
    assert not loaded
    assert environment["GOMP_SPINCOUNT"] == str(runtime.SPINS)
    assert "OMP_WAIT_POLICY" not in environment
    assert environment["KMP_BLOCKTIME"] == "0"
    assert environment["OMP_NUM_THREADS"] == str(runtime.cores())


def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("OMP_NUM_THREADS", "3"), ("OMP_WAIT_POLICY", "PASSIVE"), ("KMP_BLOCKTIME", "5")):
        monkeypatch.setenv(name, value)
    runtime.quiet_threads()
    assert [os.environ.get(name) for name in NAMES] == ["3", "PASSIVE", None, "5"]
    assert runtime.threads() == 3


@pytest.mark.parametrize(("told", "expected"), [("4,2", 4), ("0", None), ("many", None), ("", None)])
def test_threads_are_what_openmp_would_take(told: str, expected: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert runtime.threads() == (expected or runtime.cores())


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "250000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_a_container_s_quota_counts(files: dict[str, str], expected: int | None, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert runtime._quota(tmp_path) == expected
