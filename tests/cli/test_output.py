"""What commands print steers no terminal, fits every encoding, and costs no result where it cannot be written."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text
from run_folders import made
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.report.console import make_console, progress
from smllmun_bench.report.output import Escaped, Output, escaped_output, visible

HOSTILE = "n\x1b[31m\x1b]0;t\x07\x9b2J\u202eo\u2066\u200f\u061c\ufeff\u2028\u2029\r\x7f\U000e0041"
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@given(st.text())
def test_nothing_that_steers_is_left_and_json_stays_json(text: str) -> None:
    assert not RAW.search(visible(text + HOSTILE))
    assert json.loads(visible(json.dumps([text, HOSTILE], ensure_ascii=False))) == [text, HOSTILE]


def test_words_of_the_world_stay_as_they_are() -> None:
    words = "Zoë 北京 عمان می‌خواهم 👩‍🚀\nnext"  # with joiners, which words need
    assert visible(words) == words


def test_a_console_escapes_what_is_handed_to_it_in_any_form() -> None:
    stream = Terminal()
    console = make_console(file=stream)
    console.print(HOSTILE)
    console.print(Text(HOSTILE))
    console.print(HOSTILE, soft_wrap=True, style="red")
    left = re.sub("\x1b\\[[0-9;]*m", "", stream.getvalue())  # rich's own styles
    assert not RAW.search(left)
    assert left.count("\\x1b[31m") == 3


def test_a_bar_escapes_its_words_and_what_is_printed_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("TERM", "xterm")
    with escaped_output(), progress(make_console()).task(f"train {HOSTILE}", 1) as advance:
        advance(1, phase=HOSTILE)
        sys.stdout.write(HOSTILE + "\n")
    shown = stream.getvalue()
    assert "\\x1b[31m" in shown
    for raw in ("\x1b[31m", "\x1b]0;", "\x9b", "\u202e", "\ufeff"):
        assert raw not in shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_every_encoding_takes_every_character(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    Escaped(stream).write('"–é北\udc80"\n')
    Output(stream).write("–é北\udc80\n")
    stream.flush()
    plain, table = raw.getvalue().decode(encoding).splitlines()
    assert json.loads(plain) == "–é北\udc80"
    assert len(table) == 4


def test_a_full_disk_is_noticed_once_and_stops_nothing() -> None:
    output = Escaped(Full())
    output.write("a")
    output.write("b")
    assert str(output.lost()) == "[Errno 28] No space left on device"


# --- commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    named = {"model": HOSTILE, "task": HOSTILE, "version": f"1.{HOSTILE}", "gate": HOSTILE, "precision": HOSTILE}
    root = tmp_path / f"runs {HOSTILE}"
    for run_id in ("target", "gold", "smfa"):
        made(root, run_id, **named, config={}, label=run_id if run_id != "smfa" else HOSTILE)
    made(root, "other", **named | {"version": "2.0"}, label="a method")
    made(root, "failed", **named, status="failed", error=HOSTILE, scored=False)
    made(root, "folded", **named, fold=HOSTILE)
    return root


def walked(*arguments: object, code: int | None = None) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert code in (None, result.exit_code), result.output
    shown = result.stdout + result.stderr
    assert not RAW.search(shown), ascii(shown)
    return shown


@pytest.mark.parametrize("run", ["smfa", "failed", "folded", HOSTILE])
def test_show_compare_and_export_escape_names_of_runs(runs: Path, run: str) -> None:
    for where in (runs / run, run):
        assert walked("show", where, "--results", runs)
        assert walked("compare", where, runs / "target", "--results", runs)
        assert walked("compare", where, runs / "target", "--json")
        assert walked("export", where, "--out", runs / "out", "--results", runs)
        assert walked("judge", "run", where, "--results", runs)


def test_a_leaderboard_escapes_names(runs: Path, tmp_path: Path) -> None:
    csv = tmp_path / f"{HOSTILE}.csv"
    assert "\\x1b[31m" in walked("leaderboard", runs, "--csv", csv)
    assert csv.is_file()
    assert walked("agree", csv, csv)
    assert walked("leaderboard", runs, "--plot", tmp_path / f"{HOSTILE}.svg")
    assert walked("leaderboard", runs, "--plot", tmp_path / HOSTILE)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--method", HOSTILE),
        ("run", "--method", "smfa", "--set", f"{HOSTILE}=1"),
        ("run", "--method", "smfa", "--set", f"training.lr={HOSTILE}"),
        ("run", "--method", "smfa", "--task", HOSTILE),
        ("run", "--method", "smfa", "--model", HOSTILE),
        ("run", "--method", "smfa", "--seeds", HOSTILE),
        ("run", "--method", "smfa", "--device", HOSTILE),
        ("score", HOSTILE, "--task", "smllmun-toy"),
        ("score", HOSTILE),
        ("show", HOSTILE),
        ("regress", "--golden", HOSTILE),
        ("tune", "--method", HOSTILE),
        ("metaeval", "--method", HOSTILE),
        ("validate", HOSTILE),
        ("models", "check", HOSTILE),
        ("models", "get", HOSTILE),
        ("judge", HOSTILE),
        ("judge", "run", HOSTILE),
        ("data", "validate", "folder", "--task", HOSTILE),
        ("data", HOSTILE),
        ("store", "path", HOSTILE),
        ("store", "list", "--store", HOSTILE),
        ("toy", HOSTILE),
        ("leaderboard", HOSTILE),
        ("agree", HOSTILE, HOSTILE),
        ("compare", HOSTILE, HOSTILE),
        ("export", HOSTILE, "--out", HOSTILE),
        (HOSTILE,),
        (f"--{HOSTILE}",),
    ],
    ids=lambda arguments: "-".join("x" if HOSTILE in part else part for part in arguments),
)
def test_bad_arguments_are_told_back_escaped(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "\\x1b[31m" in walked(*arguments) or arguments[0] == "store"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_commands_end_well_under_any_encoding(encoding: str, tmp_path: Path) -> None:
    for run_id in ("target", "gold", "smfa", "a", "b", "c"):
        made(tmp_path, run_id, label="Zoë 北京" if run_id == "smfa" else run_id)
    environment = os.environ | {"PYTHONIOENCODING": encoding, "LANG": "C", "LC_ALL": "C"}

    def output(*arguments: object) -> str:
        command = [sys.executable, "-m", "smllmun_bench", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode(encoding)

    assert "Zo" in output("leaderboard", tmp_path, "--csv", tmp_path / "rows.csv")
    assert "北京" in (tmp_path / "rows.csv").read_text(encoding="utf-8")
    assert "Zo" in output("agree", tmp_path / "rows.csv", tmp_path / "rows.csv")
    assert json.loads(output("compare", tmp_path / "smfa", tmp_path / "target", "--json"))["a"] == "smfa"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_output_is_one_message_after_the_results(tmp_path: Path) -> None:
    for run_id in ("target", "gold", "smfa"):
        made(tmp_path, run_id)
    command = [sys.executable, "-m", "smllmun_bench", "leaderboard", str(tmp_path), "--csv", str(tmp_path / "rows.csv")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == "error: the output cannot be written: No space left on device\n"
    assert done.returncode == 1
    assert (tmp_path / "rows.csv").is_file()
