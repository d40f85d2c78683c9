"""Two processes that were launched together: the same answers, each question asked once, gradients averaged."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smllmun_bench import runtime
from smllmun_bench.results.predictions import read_predictions
from smllmun_bench.training import parallel


def _run(store: Path, output: Path, *launcher: str) -> None:
    command = [*launcher, "-m", "smllmun_bench", "run", "--method", "grad-diff", "--model", "nano"]
    command += ["--task", "smllmun-nano", "--limit", "5", "--store", str(store), "--output", str(output)]
    command += ["--set", "training.steps=4", "--set", "training.batch_size=8", "--set", "training.lora=null", "--quiet"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MASTER_PORT": "29517"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_two_processes_score_as_one(nano_store: Path, tmp_path: Path) -> None:
    together = "-m accelerate.commands.launch --cpu --num_processes 2 --num_machines 1 --mixed_precision no"
    launchers = {"one": [], "two": [*together.split(), "--dynamo_backend", "no"]}
    for name, launcher in launchers.items():
        shutil.copytree(nano_store, tmp_path / f"store-{name}")
        _run(tmp_path / f"store-{name}", tmp_path / name, sys.executable, *launcher)
    folders = {
        name: {folder.name.rpartition("-")[0]: folder for folder in (tmp_path / name).iterdir() if folder.is_dir()}
        for name in ("one", "two")
    }
    assert folders["one"].keys() == folders["two"].keys()
    for label, folder in folders["one"].items():
        ours = read_predictions(folders["two"][label] / "predictions.parquet")
        alone = read_predictions(folder / "predictions.parquet")
        assert [p.item_id for p in ours] == [p.item_id for p in alone]
        same = sum(a.text == b.text for a, b in zip(ours, alone, strict=True))
        assert same >= (0.9 if label.startswith("grad-diff") else 1.0) * len(alone), label


@pytest.mark.parametrize(("size", "count"), [(2, 5), (3, 3), (4, 9)])
def test_shares_are_neighbours_and_leave_nobody_out(monkeypatch: pytest.MonkeyPatch, size: int, count: int) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(size))
    taken: list[int] = []
    for rank in range(size):
        monkeypatch.setenv("RANK", str(rank))
        taken += parallel.share(range(count))
    assert taken == list(range(count))


def test_a_batch_smaller_than_the_launch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from smllmun_bench.errors import UserError

    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(UserError, match=r"batch of 3 .* 4 processes"):
        parallel.share([1, 2, 3])


def test_each_process_has_a_card_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.device("cuda") == "cuda"
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert (runtime.device("cuda"), runtime.device("cpu"), runtime.device("cuda:0")) == ("cuda:1", "cpu", "cuda:0")
