"""What is printed is what was said, fits the width, and stays silent when asked."""

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.report.console import make_console, plain, progress
from smllmun_bench.report.leaderboard import leaderboard_tables, read_csv
from smllmun_bench.report.progress_lines import ProgressLines
from smllmun_bench.report.table import (
    SCORE_COLUMNS,
    Figure,
    ScoreRow,
    figure_text,
    lines_table,
    score_table,
    stages_table,
)
from smllmun_bench.schema import Direction


def printed(*things: object, markup: bool = False, width: int = 120) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, markup=True) if markup else make_console(file=stream, width=width)
    console.print(*things)
    return stream.getvalue()


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)


def output(console: Console) -> str:
    stream = console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def test_brackets_and_emoji_codes_are_printed_as_they_stand() -> None:
    assert printed("[forget] :smile: [/x] \\[a]") == "[forget] :smile: [/x] \\[a]\n"


def test_answers_cannot_steer_the_terminal() -> None:
    assert printed(plain("a\x1b[31mred\x07\u202eb\n")) == "a\\x1b[31mred\\x07\\u202eb\n\n"


@pytest.mark.parametrize(("columns", "width"), [(None, 120), ("70", 70), ("x", 120)])
def test_the_width_when_piped(monkeypatch: pytest.MonkeyPatch, columns: str | None, width: int) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    assert make_console(file=io.StringIO()).width == width


def test_quiet_prints_nothing_and_stderr_goes_there(capsys: pytest.CaptureFixture[str]) -> None:
    make_console(quiet=True).print("a")
    make_console(stderr=True).print("b")
    assert capsys.readouterr() == ("", "b\n")


def test_progress_shows_rate_time_left_and_figures() -> None:
    console = terminal()
    bars = progress(console)
    with bars.task("train [npo]", 4) as advance:
        for _ in range(4):
            advance(1, loss=0.123456, phase="[a]")
    final = [line for line in output(console).splitlines() if "4/4" in line][-1]
    assert "train [npo]" in final
    assert "loss 0.1235  phase [a]" in final
    assert re.search(r"/s|s each", final)
    assert len(re.findall(r"\d:\d\d:\d\d", final)) == 2


@pytest.mark.parametrize("width", [72, 80, 100])
def test_a_long_loss_line_costs_neither_count_nor_time_left(width: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    with progress(console).task("mllmeraser-deep on smllmun-toy", 1200) as advance:
        for _ in range(4):
            advance(1, **{f"part_{place}": 0.123456789 for place in range(9)})
    final = [line for line in output(console).splitlines() if "4/1200" in line][-1]
    assert len(re.findall(r"\d:\d\d:\d\d|-:--:--", final)) == 2
    assert re.search(r"\d/s|s each", final)
    assert final.rstrip().endswith("…")


def test_progress_can_be_nested_reused_and_have_no_end() -> None:
    console = terminal()
    bars = progress(console)
    for name in ("first", "second"):
        with bars.task(f"{name} outer", 1) as outer, bars.task(f"{name} inner") as inner:
            inner(3)
            outer()
    text = output(console)
    assert all(f"{name} {part}" in text for name in ("first", "second") for part in ("outer", "inner"))
    assert "\x1b[?25h" in text


def test_progress_gives_the_cursor_back_after_an_interrupt() -> None:
    console = terminal()
    with pytest.raises(KeyboardInterrupt), progress(console).task("train", 2):
        raise KeyboardInterrupt
    assert output(console).rindex("\x1b[?25h") > output(console).rindex("\x1b[?25l")


def test_progress_is_silent_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    for console in (terminal(), make_console(file=io.StringIO())):
        with progress(console, quiet=True).task("train", 2) as advance:
            advance(1, loss=1.0)
        assert output(console) == ""
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_progress_is_lines_on_stderr_as_it_happens(capsys: pytest.CaptureFixture[str]) -> None:
    console = make_console(file=io.StringIO())
    with progress(console).task("train \x1b[31m", 2) as advance:
        assert capsys.readouterr().err == "train \\x1b[31m: begun, 2 steps\n"
        advance(1, loss=1.0)
        advance(1, loss=0.25)
    assert re.fullmatch(r"train .*: done, 2/2 in 0\.\d s, .*  loss 0\.25\n", capsys.readouterr().err)
    assert output(console) == ""


def test_lines_of_progress_tell_rate_time_left_and_figures_now_and_then() -> None:
    lines: list[str] = []
    now = [0.0]

    def interrupted() -> None:
        with ProgressLines(lines.append, clock=lambda: now[0]).task("train", 40) as advance:
            for step in range(20):
                now[0] += 1.5
                advance(1, loss=float(step))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert lines == [
        "train: begun, 40 steps",
        "train: 7/40, 1.5 s each, 50 s left  loss 6",
        "train: 14/40, 1.5 s each, 39 s left  loss 13",
        "train: stopped, 20/40 in 30.0 s, 1.5 s each  loss 19",
    ]


FULL = {column.name: Figure(0.1234, 0.1, 0.2) for column in SCORE_COLUMNS}


@pytest.mark.parametrize("markup", [False, True])
def test_a_score_table_of_full_rows_fits_120_columns(markup: bool) -> None:
    text = printed(score_table([ScoreRow("[forget] a rather long label", FULL)], title="[t]"), markup=markup)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 120
    assert "[forget] a rather long" in text
    assert "[t]" in text
    assert text.count("0.123") == len(SCORE_COLUMNS)
    assert text.count("±.077") == len(SCORE_COLUMNS)


WIDTHS = (60, 80, 100, 120, None)  # None: no terminal


def at_width(width: int | None, *things: object) -> str:
    stream = io.StringIO()
    console = make_console(file=stream) if width is None else make_console(file=stream, width=width)
    console.print(*things)
    assert max(map(len, stream.getvalue().splitlines())) <= (width or 120)
    assert "…" not in stream.getvalue()
    return stream.getvalue()


@pytest.mark.parametrize("width", WIDTHS)
def test_names_and_overall_are_whole_at_any_width(width: int | None) -> None:
    names = ("base", "mllmeraser@published †≈", "smfa (training.lr=0.0005)")
    text = at_width(width, score_table([ScoreRow(name, FULL | {"overall": 0.987}) for name in names]))
    lines = text.splitlines()
    for name in names:
        assert [line for line in lines if line.lstrip().startswith(name) and "0.987" in line], text
    shown = text.count("0.123") // len(names) + 1
    left_out = text.partition("left out at ")[2].replace("\n", " ")
    assert shown + left_out.count(",") + bool(left_out) == len(SCORE_COLUMNS)
    assert "overall" not in left_out.split(", ")


@pytest.mark.parametrize("width", WIDTHS)
def test_every_leaderboard_row_is_whole_at_any_width(width: int | None) -> None:
    rows = read_csv(Path(__file__).parents[2] / "results" / "toy_leaderboard.csv")
    text = at_width(width, *leaderboard_tables(rows))
    for row in rows:
        found = [line.split() for line in text.splitlines() if row.method in line.split()]
        assert any(f"{row.overall:.3f}" in cells for cells in found), row.method


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", ["methods", "tasks"])
def test_lists_name_everything_at_any_width(command: str, width: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if width is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(width))
    result = CliRunner().invoke(app, [command])
    names = [row["name"] for row in json.loads(CliRunner().invoke(app, [command, "--json"]).stdout)]
    assert max(map(len, result.stdout.splitlines())) <= (width or 120)
    assert set(names) <= {line.split()[0] for line in result.stdout.splitlines() if line.strip()}


@pytest.mark.parametrize("width", WIDTHS)
def test_prose_is_folded_and_the_first_column_is_whole(width: int | None) -> None:
    prose = "descends on everything that shall stay and ascends on what shall go"
    columns = ("name", "fidelity", "description", "needs", "verdict")
    line = ("negative-preference", "re-implementation", prose, prose, "in the noise")
    text = at_width(width, lines_table("", columns, [line], keep=("verdict",)))
    assert any(found.lstrip().startswith(line[0]) and "in the noise" in found for found in text.splitlines())
    if "left out" not in text:
        assert all(word in text for word in prose.split())


def test_a_name_wider_than_the_console_is_folded_not_cut() -> None:
    name = "a" * 100
    text = at_width(60, score_table([ScoreRow(name, FULL)]))
    assert text.partition("left out")[0].count("a") >= 100


def test_missing_scores_are_dashes_and_zero_is_zero() -> None:
    text = printed(score_table([ScoreRow("target", {"overall": 0.0, "general_vqa": None})]))
    line = next(line for line in text.splitlines() if "target" in line)
    assert line.split() == ["target", *["\u2013"] * 7, "n/a", "\u2013", "0.000"]


def test_arrows_tell_the_direction() -> None:
    text = printed(score_table([]))
    assert text.count("↓") == 2
    assert text.count("↑") == 8
    assert [column.name for column in SCORE_COLUMNS if column.direction is Direction.DOWN] == [
        "forget_image",
        "forget_text",
    ]


def test_a_figure_no_column_shows_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no column for forget_imagery"):
        score_table([ScoreRow("a", {"forget_imagery": 0.1})])


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (0.5, "0.500"),
        (Figure(1.0, 1.0, 1.0), "1.000\n±.000"),
        (Figure(0.5, 0.4), "0.500"),
        (Figure(-2.0, -3.5, -1.0), "-2.000\n±1.500"),
    ],
)
def test_figures(figure: Figure | float, text: str) -> None:
    assert figure_text(figure).plain == text


@dataclass
class Line:
    stage: str
    key: str
    action: str
    seconds: float


def test_stages_are_summed() -> None:
    text = printed(stages_table([Line("train [x]", "a" * 32, "made", 61.26), Line("score", "b" * 32, "reused", 0.04)]))
    rows = [line.split() for line in text.splitlines()]
    assert ["train", "[x]", "made", "61.3", "a" * 12] in rows
    assert ["score", "reused", "0.0", "b" * 12] in rows
    assert ["all", "61.3"] in rows
