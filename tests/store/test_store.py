"""The store keeps its word when processes die, disks fill and bytes flip. Real processes, real folders."""

import errno
import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from until import until

from smllmun_bench.errors import UserError
from smllmun_bench.store import upkeep
from smllmun_bench.store.atomic import atomic_write
from smllmun_bench.store.hashing import folder_digest
from smllmun_bench.store.store import Action, Request, StageEvent, Store, default_root
from smllmun_bench.store.stored_stage import Fault

STEPS = ("before make", "made", "synced", "manifest", "renamed")
REQUEST = Request("train", 1, {"lr": 0.1, "items": "abc"})
KEYS = (REQUEST.key,)


def make(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "weights.bin").write_bytes(b"12345")
    (folder / "log.txt").write_text("done\n")


def never(folder: Path) -> None:
    raise AssertionError("made although it was stored")


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_made_once_then_reused(store: Store) -> None:
    events: list[StageEvent] = []
    first = store.get_or_make(REQUEST, make, on_event=events.append)
    second = store.get_or_make(REQUEST, never, on_event=events.append)
    assert [event.action for event in events] == [Action.MADE, Action.REUSED]
    assert (first.path, first.digest) == (second.path, second.digest)
    assert first.path == store.root / "v1" / "train" / REQUEST.key[:2] / REQUEST.key
    assert first.manifest == second.manifest
    assert set(first.manifest.outputs) == {"sub/weights.bin", "log.txt"}
    assert first.manifest.outputs["sub/weights.bin"].bytes == 5
    assert first.manifest.peak_memory_mb > 1
    assert json.loads((first.path / "manifest.json").read_text())["schema"] == 1
    assert upkeep.verify(store) == []


def test_the_output_digest_is_that_of_the_bytes_alone(store: Store) -> None:
    """Two requests whose folders are equal have one digest, so what follows from them is shared."""
    one = store.get_or_make(REQUEST, make)
    other = store.get_or_make(Request("train", 2, REQUEST.inputs), make)
    assert one.key != other.key
    assert one.digest == other.digest
    (one.path / "manifest.json").unlink()
    assert folder_digest(one.path) == one.digest


@pytest.mark.parametrize("failure", [RuntimeError("boom"), KeyboardInterrupt(), SystemExit(3)])
def test_a_failing_make_leaves_nothing(store: Store, failure: BaseException) -> None:
    def fail(folder: Path) -> None:
        make(folder)
        raise failure

    with pytest.raises(type(failure)):
        store.get_or_make(REQUEST, fail)
    assert store.find(REQUEST) is None
    assert list((store.root / "v1" / "tmp").iterdir()) == []
    assert store.get_or_make(REQUEST, make).digest


CHILD = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    sys.path[:0] = [sys.argv[3], sys.argv[3] + "/../helpers"]
    from test_store import REQUEST, make
    from smllmun_bench.store.store import Store
    def die(step):
        if step == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)
    Store(Path(sys.argv[1]), checkpoint=die).get_or_make(REQUEST, make)
""")


@pytest.mark.parametrize("step", STEPS)
def test_kill_9_between_any_two_steps_is_safe(store: Store, step: str) -> None:
    done = subprocess.run([sys.executable, "-c", CHILD, str(store.root), step, str(Path(__file__).parent)], check=False)
    assert done.returncode == -signal.SIGKILL
    finished = step == "renamed"
    assert (store.find(REQUEST) is not None) == finished
    upkeep.sweep(store)
    assert list((store.root / "v1" / "tmp").iterdir()) == []
    entry = store.get_or_make(REQUEST, never if finished else make)
    assert entry.digest == Store(store.root / "other").get_or_make(REQUEST, make).digest
    assert upkeep.verify(store) == []
    assert upkeep.collect(store, keep=KEYS) == []
    assert not [name for name in files(store.root) if name.endswith((".holder", ".tmp"))]


def test_every_step_is_a_checkpoint(tmp_path: Path) -> None:
    """The list above is the list of the code, so no step escapes the kill."""
    seen: list[str] = []
    Store(tmp_path, checkpoint=seen.append).get_or_make(REQUEST, make)
    assert tuple(seen) == STEPS


def _worker(root: Path, log: Path, making: Path, go: Path) -> None:
    def slow(folder: Path) -> None:
        making.touch()
        until(go.exists)
        make(folder)

    def note(event: StageEvent) -> None:
        with log.open("a") as stream:
            stream.write(f"{event.action} {event.detail}\n")

    Store(root).get_or_make(REQUEST, slow, on_event=note)


def test_of_two_processes_one_makes_and_one_waits(tmp_path: Path) -> None:
    """The first is held in `make` until the second waits (or wrongly makes too), so no timing is assumed."""
    log, go, making = tmp_path / "log", tmp_path / "go", [tmp_path / "one", tmp_path / "two"]
    log.touch()
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_worker, args=(tmp_path / "store", log, flag, go)) for flag in making]
    workers[0].start()
    until(making[0].exists)
    workers[1].start()
    until(lambda: "waiting" in log.read_text() or making[1].exists())
    go.touch()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert not making[1].exists()
    waiting, *rest = log.read_text().splitlines()
    assert waiting.startswith(f"waiting process {workers[0].pid} on ")
    assert sorted(line.strip() for line in rest) == ["made", "reused"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_one_sentence_and_the_store_stays_valid(store: Store, error: Exception) -> None:
    before = store.get_or_make(Request("other", 1, {}), make)

    def fill(folder: Path) -> None:
        make(folder)
        raise error

    with pytest.raises(UserError, match="disk of the store is full") as caught:
        store.get_or_make(REQUEST, fill)
    assert str(store.root) in str(caught.value)
    assert store.find(REQUEST) is None
    assert upkeep.verify(store) == []
    assert store.find(Request("other", 1, {})) == before


def test_another_error_of_the_stage_is_not_dressed_up(store: Store) -> None:
    def fail(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "no")

    with pytest.raises(PermissionError):
        store.get_or_make(REQUEST, fail)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        Store(tmp_path / "file").get_or_make(REQUEST, make)


def test_one_flipped_byte_is_named(store: Store) -> None:
    entry = store.get_or_make(REQUEST, make)
    victim = entry.path / "sub" / "weights.bin"
    victim.write_bytes(b"12344")
    assert upkeep.verify(store) == [Fault(victim, "its bytes are not those that were made")]


def test_missing_and_additional_files_are_named(store: Store) -> None:
    entry = store.get_or_make(REQUEST, make)
    (entry.path / "log.txt").unlink()
    (entry.path / "more.txt").write_text("")
    assert {(fault.path.name, fault.what) for fault in upkeep.verify(store)} == {
        ("log.txt", "missing"),
        ("more.txt", "not in the manifest"),
    }


def _bytes(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def _manifest(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


OUTSIDE = {"sha256": hashlib.sha256(b"12345").hexdigest(), "bytes": 5}


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (_bytes("sub/weights.bin", b"12344"), "its bytes are not those that were made"),
        (_bytes("sub/weights.bin", b"1"), "1 bytes, expected 5"),
        (_bytes("log.txt", b"enod\n"), "its bytes are not"),
        (_bytes("more.txt", b"x"), "not in the manifest"),
        (lambda folder: (folder / "log.txt").unlink(), "missing"),
        (lambda folder: (folder / "link").symlink_to("log.txt"), "not a plain file"),
        (_bytes("manifest.json", b"\x00"), "not a manifest"),
        (_bytes("manifest.json", b"{}"), "not a manifest"),
        (_manifest(schema=2), "not a manifest"),
        (_manifest(output_digest="0" * 32), "output_digest does not fit"),
        (_manifest(outputs={"../outside": OUTSIDE}), "not a file of this folder"),
        (_manifest(outputs={"sub/../../../outside": OUTSIDE}), "not a file of this folder"),
        (_manifest(outputs={"/etc/passwd": OUTSIDE}), "not a file of this folder"),
        (_manifest(request={"stage": "train", "version": 1, "inputs": {"lr": 0.2}}), "does not belong to this key"),
    ],
)
def test_damage_is_named_set_aside_and_made_again(store: Store, damage: Callable[[Path], None], what: str) -> None:
    """Found by another process than the one that made it, as the next run is; what was damaged is kept to be seen."""
    entry = store.get_or_make(REQUEST, make)
    (entry.path.parent / "outside").write_bytes(b"12345")
    damage(entry.path)
    next_run, events = Store(store.root), list[StageEvent]()
    assert what in upkeep.verify(next_run)[0].what
    again = next_run.get_or_make(REQUEST, make, on_event=events.append)
    assert [event.action for event in events] == [Action.DAMAGED, Action.MADE]
    assert str(entry.path) in events[0].detail
    assert what in events[0].detail
    assert (again.path, again.digest) == (entry.path, entry.digest)
    assert upkeep.verify(next_run) == []
    (aside,) = (store.root / "v1" / "damaged").iterdir()
    assert aside.name.startswith(REQUEST.key)
    assert [gone.folder for gone in upkeep.collect(next_run, keep=KEYS)] == [aside]


def test_damage_of_a_file_that_was_read_already_is_seen_too(store: Store) -> None:
    entry = store.get_or_make(REQUEST, make)
    assert store.find(REQUEST) == entry
    (entry.path / "sub" / "weights.bin").write_bytes(b"12344")
    assert store.find(REQUEST) is None


def test_a_damaged_folder_that_ships_is_passed_over(store: Store, tmp_path: Path) -> None:
    shipped = Store(tmp_path / "shipped").get_or_make(REQUEST, make)
    (shipped.path / "log.txt").write_bytes(b"enod\n")
    mine = Store(store.root, [tmp_path / "shipped"]).get_or_make(REQUEST, make)
    assert mine.path.is_relative_to(store.root)
    assert (shipped.path / "log.txt").read_bytes() == b"enod\n"


def test_a_folder_without_manifest_is_not_there_and_is_replaced(store: Store) -> None:
    entry = store.get_or_make(REQUEST, make)
    (entry.path / "manifest.json").unlink()
    assert store.find(REQUEST) is None
    assert [fault.what for fault in upkeep.verify(store)] == ["no manifest: not finished, or damaged; never read"]
    assert store.get_or_make(REQUEST, make).digest == entry.digest
    assert upkeep.verify(store) == []


def test_a_stage_may_not_write_the_manifest(store: Store) -> None:
    with pytest.raises(ValueError, match="the store's own file"):
        store.get_or_make(REQUEST, lambda folder: atomic_write(folder / "manifest.json", "{}"))


def test_links_are_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a plain file"):
        store.get_or_make(REQUEST, lambda folder: (folder / "link").symlink_to(tmp_path))


def test_shipped_layers_are_read_and_never_written(store: Store, tmp_path: Path) -> None:
    shipped = Store(tmp_path / "shipped")
    entry = shipped.get_or_make(REQUEST, make)
    before = files(shipped.root)
    layered = Store(tmp_path / "mine", [shipped.root])
    assert layered.get_or_make(REQUEST, never) == entry
    assert not (tmp_path / "mine").exists()
    mine = layered.get_or_make(Request("train", 2, {}), make)
    assert [gone.folder for gone in upkeep.collect(layered)] == [mine.path]
    assert files(shipped.root) == before


def test_atomic_write_keeps_the_old_file_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    atomic_write(path, "old é")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(UserError, match="full") as caught:
        atomic_write(path, b"new")
    assert "store gc" in caught.value.fix
    assert path.read_text(encoding="utf-8") == "old é"
    assert list(tmp_path.iterdir()) == [path]


def test_default_root_follows_the_environment() -> None:
    assert default_root({"SMLLMUN_STORE": "/data/s", "XDG_CACHE_HOME": "/c"}) == Path("/data/s")
    assert default_root({"XDG_CACHE_HOME": "/c"}) == Path("/c/smllmun-bench")
    assert default_root({"XDG_CACHE_HOME": "relative"}) == Path.home() / ".cache" / "smllmun-bench"
    assert default_root({}) == Path.home() / ".cache" / "smllmun-bench"


@pytest.mark.parametrize("stage", ["tmp", "locks", "damaged", "", "a/b", "..", "A"])
def test_a_stage_has_a_plain_name(stage: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        Request(stage, 1, {})
