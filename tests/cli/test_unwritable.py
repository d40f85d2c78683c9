"""A path that cannot be written is one message with a way out, before anything is computed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.errors import UserError
from smllmun_bench.store import atomic, upkeep
from smllmun_bench.store.atomic import atomic_write, put_folder, whole_folder, writable_file, writable_folder
from smllmun_bench.store.store import Request, Store


def _file(folder: Path) -> Path:
    (folder / "file").write_text("mine")
    return folder / "file" / "x"


def _loop(folder: Path) -> Path:
    (folder / "loop").symlink_to("loop")
    return folder / "loop" / "x"


PLACES: dict[str, Callable[[Path], Path]] = {
    "/dev/null/x": lambda folder: Path("/dev/null/x"),
    "/proc": lambda folder: Path("/proc/x"),
    "a file in the way": _file,
    "a name that is too long": lambda folder: folder / ("x" * 300),
    "a link to itself": _loop,
}
COMMANDS = (
    "run --method ga --output PATH",
    "run --method ga --csv PATH --output FOLDER/out",
    "run --method ga --csv PATH/y --output FOLDER/out",
    "data build --out PATH --profiles 40",
    "metaeval --method ga --csv PATH",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_ends_in_one_message(
    command: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object, **more: object) -> None:
        raise AssertionError("began although it cannot write what it finds")

    monkeypatch.setenv("SMLLMUN_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("smllmun_bench.cli._session.open_context", never)
    path = PLACES[place](tmp_path)
    before = sorted(tmp_path.iterdir())
    words = [word.replace("PATH", str(path)).replace("FOLDER", str(tmp_path)) for word in command.split()]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 2, told.output
    assert told.stderr.startswith("error: ")
    assert "\n  try  " in told.stderr
    assert [one for one in sorted(tmp_path.iterdir()) if one.name != "out"] == before


@pytest.mark.parametrize("place", PLACES)
def test_every_door_to_the_disk_says_so(place: str, tmp_path: Path) -> None:
    path = PLACES[place](tmp_path)
    for door in (writable_folder, writable_file, lambda path: atomic_write(path / "y", "x")):
        with pytest.raises(UserError, match="cannot be written"):
            door(path)
    with pytest.raises(UserError), whole_folder(path / "y"):
        raise AssertionError("never begun")


@pytest.mark.parametrize("place", ["/dev/null/x", "/proc", "a file in the way"])
def test_a_store_that_cannot_be_written_serves_what_is_in_it(place: str, tmp_path: Path) -> None:
    layer = Store(tmp_path / "layer")
    entry = layer.get_or_make(Request("train", 1, {}), lambda folder: (folder / "a").write_text("x") and None)
    store = Store(PLACES[place](tmp_path), [layer.root])
    assert store.get_or_make(Request("train", 1, {}), lambda folder: None) == entry
    upkeep.sweep(store)
    with pytest.raises(UserError, match="cannot be written"):
        upkeep.record_run(store, "a", [entry.key])
    with pytest.raises(UserError, match="cannot be written"):
        store.get_or_make(Request("train", 2, {}), lambda folder: None)


def test_a_folder_is_no_file_and_a_device_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Is a directory") as caught:
        atomic_write(tmp_path, "x")
    assert "name of a file" in caught.value.fix
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        atomic_write(pipe, "told")
        assert os.read(reader, 10) == b"told"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_full_device_is_a_message() -> None:
    with pytest.raises(UserError, match="No space left") as caught:
        atomic_write(Path("/dev/full"), "x")
    assert "store gc" in caught.value.fix


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_half_a_folder_is_not_there(tmp_path: Path, failure: BaseException) -> None:
    def interrupted() -> None:
        with whole_folder(tmp_path / "new") as folder:
            (folder / "half").write_text("x")
            raise failure

    with pytest.raises((KeyboardInterrupt, UserError)):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_folders_are_exchanged_in_one_step_where_the_system_can(tmp_path: Path) -> None:
    for name in ("new", "final"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("")
    put_folder(tmp_path / "new", tmp_path / "final")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["final", "final/new"]
    assert not atomic._exchanged(tmp_path / "gone", tmp_path / "final")
