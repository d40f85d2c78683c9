"""What can go from a store, and what a command says of it."""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.errors import UserError
from smllmun_bench.experiments.session import Session, record
from smllmun_bench.store import upkeep
from smllmun_bench.store.store import Action, Request, StageEvent, Store, StoredStage

TRAIN = Request("train", 1, {"lr": 0.1})


def make(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(b"12345" * 1000)


def seeded(store: Store, seed: int) -> StoredStage:
    return store.get_or_make(Request("unlearn", 1, {"method": "npo", "seed": seed}), make)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SMLLMUN_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    return Store(tmp_path / "store")


def invoke(*arguments: str):
    return CliRunner().invoke(app, ["store", *arguments])


def _older(entry: StoredStage, hours: float) -> None:
    then = time.time() - hours * upkeep.HOUR_S
    os.utime(entry.path / "manifest.json", (then, then))


def test_gc_keeps_what_runs_used_and_what_is_being_made(store: Store) -> None:
    kept, dropped = seeded(store, 0), seeded(store, 1)
    upkeep.record_run(store, "toy npo/5 %", [kept.key])
    dead = store.root / "v1" / "tmp" / f"{dropped.key}.1.abc"
    dead.mkdir()

    def collect(folder: Path) -> None:
        keep = upkeep.recorded_keys(store)
        for dry_run in (True, False):
            gone = upkeep.collect(store, keep, dry_run=dry_run)
            assert [one.folder for one in gone] == [dead, dropped.path]
        upkeep.sweep(store)
        assert folder.is_dir()  # of a live process
        make(folder)

    store.get_or_make(TRAIN, collect)
    assert kept.path.is_dir()
    assert not dropped.path.exists()
    assert upkeep.verify(store) == []


def test_gc_does_not_guess_what_a_strange_run_file_kept(store: Store) -> None:
    upkeep.record_run(store, "a", []).write_text("[]")
    with pytest.raises(UserError, match="not a record of a run"):
        upkeep.recorded_keys(store)
    assert invoke("gc").exit_code == 2


def test_gc_says_what_it_frees_and_spares_what_is_young(store: Store) -> None:
    used, unused, young = (seeded(store, seed) for seed in (0, 1, 2))
    upkeep.record_run(store, "npo", [used.key])
    for entry in (used, unused):
        _older(entry, 25)
    dry = invoke("gc", "--dry-run")
    assert (dry.exit_code, unused.path.is_dir()) == (0, True)
    assert f"{unused.path}  (used by no recorded run)" in dry.stdout
    assert "would free 6." in dry.stdout  # 5 kB of weights and a manifest
    assert "freed 6." in invoke("gc").stdout
    assert [entry.path.is_dir() for entry in (used, unused, young)] == [True, False, True]
    assert invoke("gc", "--older-than", "0").exit_code == 0
    assert [entry.path.is_dir() for entry in (used, young)] == [True, False]
    assert invoke("gc", "--older-than", "0", "--all").exit_code == 0
    assert list(store.entries()) == []


def test_list_names_what_made_each_and_the_total(store: Store) -> None:
    entry = seeded(store, 3)
    change = Request("unlearn", 1, {"method": "ga", "seed": 0})
    store.get_or_make(change, lambda folder: (folder / "artifact.safetensors").write_bytes(b"x" * 10) and None)
    sha256 = store.find(change).manifest.outputs["artifact.safetensors"].sha256  # type: ignore[union-attr]
    store.get_or_make(Request("predict", 1, {"artifact": sha256}), make)
    out = invoke("list").stdout
    (line,) = [line for line in out.splitlines() if entry.key[:12] in line]
    assert "unlearn" in line
    assert "npo, seed 3" in line
    assert any("predict" in line and "ga, seed 0" in line for line in out.splitlines())
    assert out.splitlines()[-1].startswith(f"3 in {store.root}: 1")
    rows = json.loads(invoke("list", "--json").stdout)
    assert entry.key in [row["key"] for row in rows]
    (entry.path / "manifest.json").write_text("")
    assert "damaged" in invoke("list").stdout


def test_verify_names_what_is_damaged(store: Store) -> None:
    entry = seeded(store, 0)
    assert invoke("verify").exit_code == 0
    (entry.path / "weights.bin").write_bytes(b"1")
    told = invoke("verify")
    assert told.exit_code == 1
    assert f"{entry.path / 'weights.bin'}: 1 bytes, expected 5000" in told.stdout
    assert told.stdout.splitlines()[-1].endswith("1 damaged")


def test_path_of_the_store_and_of_a_stage(store: Store) -> None:
    entry = seeded(store, 0)
    assert invoke("path").stdout.strip() == str(store.root)
    assert invoke("path", entry.key[:8]).stdout.strip() == str(entry.path)
    assert invoke("path", "zzz").exit_code == 2
    seeded(store, 1)
    assert "keys begin" in invoke("path", "").stderr


def test_leftovers_of_dead_processes_are_swept_and_those_of_live_ones_not(store: Store) -> None:
    seeded(store, 0)
    locks = store.root / "v1" / "locks"
    dead, alive, fresh = (locks / f".a.holder.{pid}.00c0ffee.tmp" for pid in (2**22 + 5, os.getpid(), 2**22 + 6))
    for path in (dead, alive, fresh, locks / "abc.holder"):
        path.write_text("")
    for path in (dead, alive):
        os.utime(path, (time.time() - 60, time.time() - 60))
    upkeep.sweep(store)
    assert [path.exists() for path in (dead, alive, fresh, locks / "abc.holder")] == [False, True, True, False]


def test_a_session_notes_what_it_used_or_says_why_not(store: Store) -> None:
    entry = seeded(store, 0)
    event = StageEvent("unlearn", entry.key, Action.REUSED, 0.0)
    context = SimpleNamespace(store=store)
    assert record(Session(context, 5, [event]), "npo") == ""  # type: ignore[arg-type]
    assert upkeep.recorded_keys(store) == {entry.key}
    context = SimpleNamespace(store=Store(Path("/dev/null/x")))
    assert "not recorded in the store" in record(Session(context, 5, [event]), "npo")  # type: ignore[arg-type]


def test_a_run_of_every_method_has_a_name_that_a_disk_takes(store: Store) -> None:
    """255 bytes are the most that usual file systems take."""
    from smllmun_bench import methods

    everything = "-".join(["smllmun-toy", *methods.names() * 3])
    assert len(everything) > 255
    path = upkeep.record_run(store, everything, ["a" * 64])
    assert len(path.name.encode()) < 200
    assert upkeep.recorded_keys(store) == {"a" * 64}
