"""`agree`: two leaderboards held against each other."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.report.agreement import agreements, places, read_side
from smllmun_bench.report.leaderboard import LeaderboardRow, RowKind, to_csv

NAMES = ("ga", "npo", "idk", "smfa", "undial", "kl")


def row(method: str, **changes: Any) -> LeaderboardRow:
    fixed: dict[str, Any] = {"model": "m", "task": "t", "forget_ratio": 0.1, "seeds": 1, "version": "0.1.0"}
    return LeaderboardRow(**{"kind": RowKind.WEIGHTS, **fixed, "method": method, **changes})


def board(path: Path, overall: dict[str, float | None], **changes: Any) -> Path:
    rows = [row(name, overall=value, **changes) for name, value in overall.items()]
    path.write_text(to_csv([*rows, row("gold", overall=1.0, kind=RowKind.REFERENCE)]), newline="")
    return path


def test_equal_orders_agree_and_reversed_ones_do_not(tmp_path: Path) -> None:
    up = {name: place / 10 for place, name in enumerate(NAMES)}
    down = {name: -value for name, value in up.items()}
    a, b, c = (read_side(board(tmp_path / f"{n}.csv", side)) for n, side in enumerate((up, up, down)))
    (same,) = agreements(a, b, ["overall"])
    (other,) = agreements(a, c, ["overall"])
    assert same.tau is not None
    assert other.tau is not None
    assert (same.methods, same.tau.tau, same.tau.low, same.tau.high) == (len(NAMES), 1, 1, 1)
    assert (other.tau.tau, other.tau.high) == (-1, -1)
    assert [place.ours - place.theirs for place in places(a, c)] == [-5, -3, -1, 1, 3, 5]


def test_only_what_both_have_counts(tmp_path: Path) -> None:
    ours = {"ga": 0.1, "npo": 0.2, "idk": 0.3, "smfa": 0.4, "kl": None}
    theirs = {"ga": 0.2, "npo": 0.1, "idk": 0.3, "smfa": 0.4, "kl": 0.0, "undial": 0.9}
    a, b = read_side(board(tmp_path / "a.csv", ours)), read_side(board(tmp_path / "b.csv", theirs))
    overall, general = agreements(a, b, ["overall", "general_vqa"])
    assert overall.methods == 4
    assert overall.tau is not None
    assert overall.tau.tau == pytest.approx(4 / 6)  # one pair of six is the other way round
    assert (general.methods, general.tau) == (0, None)
    assert [(place.method, place.ours, place.theirs) for place in places(a, b)] == [
        ("smfa", 1, 1),
        ("idk", 2, 2),
        ("npo", 3, 4),
        ("ga", 4, 3),
    ]


def test_a_column_that_tells_nothing_apart_has_no_tau(tmp_path: Path) -> None:
    flat = dict.fromkeys(NAMES, 0.5)
    a, b = (read_side(board(tmp_path / f"{n}.csv", flat)) for n in range(2))
    assert agreements(a, b, ["overall"])[0].tau is None


def test_the_command_says_it(tmp_path: Path) -> None:
    a = board(tmp_path / "a.csv", {name: place / 10 for place, name in enumerate(NAMES)})
    said = CliRunner().invoke(app, ["agree", str(a), str(a)])
    assert said.exit_code == 0
    assert "+1.00" in said.stdout
    assert "undial" in said.stdout


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    few = board(tmp_path / "a.csv", {"ga": 0.1, "npo": 0.2})
    said = CliRunner().invoke(app, ["agree", str(few), str(few)])
    assert (said.exit_code, "2 methods are in both files" in said.stderr) == (2, True)
    missing = CliRunner().invoke(app, ["agree", str(few), str(tmp_path / "b.csv")])
    assert (missing.exit_code, "cannot be read" in missing.stderr) == (2, True)


def test_language_is_one_of_the_columns(tmp_path: Path) -> None:
    rows = [row(name, overall=0.5, language=place / 10) for place, name in enumerate(NAMES)]
    path = tmp_path / "a.csv"
    path.write_text(to_csv(rows), newline="")
    (language,) = [line for line in agreements(read_side(path), read_side(path)) if line.column == "language"]
    assert language.tau is not None
    assert language.tau.p < 0.01


def test_two_tables_or_two_rows_of_one_method_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(to_csv([row("ga", overall=0.1), row("ga", overall=0.2, model="other")]), newline="")
    assert "2 tables in this file" in CliRunner().invoke(app, ["agree", str(path), str(path)]).stderr
    path.write_text(to_csv([row("ga", overall=0.1), row("ga", overall=0.2, config="b")]), newline="")
    assert "called ga" in CliRunner().invoke(app, ["agree", str(path), str(path)]).stderr
