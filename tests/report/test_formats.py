"""The leaderboard as JSON, Markdown, LaTeX and HTML, from runs and from a committed file."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.metrics.statistics import Interval
from smllmun_bench.report.formats import Format, formatted
from smllmun_bench.report.leaderboard import LeaderboardRow, RowKind, from_csv, rank, read_csv

TOY = Path(__file__).parents[2] / "results" / "toy_leaderboard.csv"


def row(method: str, run_id: str, kind: RowKind = RowKind.WEIGHTS, **changes: float) -> LeaderboardRow:
    return LeaderboardRow(
        method=method, run_id=run_id, kind=kind, model="m_1", task="a&b", forget_ratio=0.1, seeds=1, version="1",
        **changes,
    )  # fmt: skip


ROWS = [
    row("a_b | <i>", "1", overall=0.5, forget_image=0.2),
    row("npo", "2", overall=0.75, forget_image=0.3),
    row("gold", "3", RowKind.REFERENCE, overall=1.0, forget_image=0.0),
]
INTERVALS = {"1": {"forget_image": Interval(0.15, 0.22)}}


def test_the_best_method_of_each_column_is_bold_and_margins_are_there() -> None:
    latex = formatted(ROWS, Format.LATEX, INTERVALS)
    assert r"a\_b | <i> & \textbf{0.200 $\pm$ 0.050}" in latex
    assert r"\textbf{0.750}" in latex
    assert r"\textbf{1.000}" not in latex
    assert [latex.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    columns = latex.partition(r"\begin{tabular}{")[2].partition("}")[0]
    lines = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") + 1 for line in lines} == {len(columns)}


def test_text_from_outside_is_no_markup() -> None:
    assert r"a\_b \| \<i\>" in formatted(ROWS, Format.MD, INTERVALS)
    assert "a_b | &lt;i&gt;" in formatted(ROWS, Format.HTML, INTERVALS)


def test_json_has_the_ends_of_every_interval() -> None:
    records = {record["run_id"]: record for record in json.loads(formatted(ROWS, Format.JSON, INTERVALS))}
    assert (records["1"]["forget_image_low"], records["1"]["forget_image_high"]) == (0.15, 0.22)
    assert "forget_image_low" not in records["2"]
    assert [records[run]["rank"] for run in "123"] == [2, 1, None]


@pytest.mark.parametrize("form", list(Format))
def test_a_leaderboard_file_is_read_and_every_row_is_there(form: Format) -> None:
    result = CliRunner().invoke(app, ["leaderboard", str(TOY), "--format", form.value])
    assert result.exit_code == 0, result.output
    for found in read_csv(TOY):
        assert found.method in result.stdout.replace("\\-", "-")
    if form is Format.CSV:
        assert from_csv(result.stdout, source="x") == rank(read_csv(TOY))
    best = max(row.overall or 0.0 for row in read_csv(TOY) if row.kind != "reference")
    if form is Format.JSON:
        assert best in [record["overall"] for record in json.loads(result.stdout)]
    elif form is not Format.CSV:
        assert f"{best:.3f}" in result.stdout
