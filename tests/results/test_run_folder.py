"""Run folders when two runs write one, when one is killed in between, and when the disk refuses."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from smllmun_bench.errors import UserError
from smllmun_bench.results import manifest as manifests
from smllmun_bench.results.manifest import RunManifest
from smllmun_bench.results.run_folder import find_runs, replace_folder
from smllmun_bench.store.environment import environment


def record(label: str = "npo") -> RunManifest:
    return RunManifest(
        run_id="npo-toy",
        status="done",
        label=label,
        kind="weights",
        fidelity=None,
        model="toy",
        task="t",
        task_version=1,
        fold="test",
        forget_ratio=0.05,
        seed=0,
        limit=None,
        config=None,
        recipe_source="",
        keys={},
        digests={},
        version="0",
        environment=environment(),
    )


def filled(text: str):
    return lambda folder: (folder / "scores.json").write_text(text) and None


def test_two_writers_and_a_reader_of_one_folder_all_end_well(tmp_path: Path) -> None:
    """Sixty replacements by three writers; whoever reads in between finds a whole folder, every time."""
    final, failures, over = tmp_path / "npo-toy", [], threading.Event()
    replace_folder(final, record(), filled("0"))

    def write(number: int) -> None:
        try:
            for turn in range(20):
                replace_folder(final, record(f"{number}-{turn}"), filled(str(turn)))
        except (UserError, OSError) as error:
            failures.append(error)

    def read() -> None:
        while not over.is_set():
            try:
                if [run.folder for run in find_runs(tmp_path)] != [final]:
                    failures.append(AssertionError("no run for a moment"))
            except (UserError, OSError) as error:
                failures.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    reader = threading.Thread(target=read)
    for thread in (*writers, reader):
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    reader.join()
    assert failures == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["npo-toy"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), RuntimeError("boom")])
def test_a_failing_write_leaves_the_old_run_and_nothing_else(tmp_path: Path, failure: BaseException) -> None:
    final = replace_folder(tmp_path / "npo-toy", record(), filled("old"))

    def fail(folder: Path) -> None:
        (folder / "scores.json").write_text("new")
        raise failure

    with pytest.raises(type(failure)):
        replace_folder(final, record(), fail)
    assert (final / "scores.json").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["npo-toy"]


KILLED = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from test_run_folder import record
    from smllmun_bench.results.run_folder import replace_folder
    replace_folder(Path(sys.argv[1]), record(), lambda folder: os.kill(os.getpid(), signal.SIGKILL))
""")


def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "npo-toy"), str(Path(__file__).parent)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert [path.suffix for path in tmp_path.iterdir() if path.name != ".lock"] == [".new"]
    replace_folder(tmp_path / "other", record(), filled("x"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other"]


def test_half_a_leaderboard_of_a_killed_run_is_swept_too(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for process in (ended.pid, os.getpid()):
        half = tmp_path / f".leaderboard.csv.{process}.00c0ffee.tmp"
        half.write_text("rank,")
        os.utime(half, (0, time.time() - 60))
    replace_folder(tmp_path / "npo-toy", record(), filled("x"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [half.name, "npo-toy"]


def test_a_run_that_was_being_replaced_comes_back_and_folders_of_others_stay(tmp_path: Path) -> None:
    final = replace_folder(tmp_path / "npo-toy", record(), filled("old"))
    final.rename(tmp_path / ".npo-toy.00c0ffee.old")  # killed between two renames, where folders cannot be exchanged
    (tmp_path / ".mine.old").mkdir()
    replace_folder(tmp_path / "other", record(), filled("x"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.old", "npo-toy", "other"]
    assert json.loads((final / manifests.FILE).read_text())["run_id"] == "npo-toy"


def test_without_an_exchange_of_folders_it_is_two_renames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smllmun_bench.store.atomic._exchanged", lambda one, other: False)
    for text in ("old", "new"):
        final = replace_folder(tmp_path / "npo-toy", record(), filled(text))
    assert (final / "scores.json").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["npo-toy"]


def test_a_full_disk_and_a_file_in_the_way_are_one_message(tmp_path: Path) -> None:
    def full(folder: Path) -> None:
        raise OSError(28, os.strerror(28))

    with pytest.raises(UserError, match="No space left") as caught:
        replace_folder(tmp_path / "npo-toy", record(), full)
    assert "store gc" in caught.value.fix
    assert [path.name for path in tmp_path.iterdir()] == []
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written") as caught:
        replace_folder(tmp_path / "file" / "npo-toy", record(), filled("x"))
    assert f"{tmp_path / 'file'} is no folder" in caught.value.fix
