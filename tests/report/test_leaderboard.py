"""The leaderboard's CSV comes back as it was, its order is a rule, and its docs name every column."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from smllmun_bench.errors import UserError
from smllmun_bench.report.console import make_console
from smllmun_bench.report.leaderboard import (
    COLUMNS,
    OLDEST,
    LeaderboardRow,
    RowKind,
    caveats,
    from_csv,
    leaderboard_tables,
    marked,
    rank,
    read_csv,
    to_csv,
)
from smllmun_bench.schema import Fidelity

FIRST = (
    "rank, method, fidelity, model, task, forget_ratio, seeds, forget_image, forget_text, retain_image, retain_text, "
    "understanding_forget, understanding_retain, general_vqa, meaningful, overall, refusal_forget, refusal_retain, "
    "broken, fit_seconds, peak_memory_mb, trainable_params, run_id, version, "
    "overall_memory, overall_understanding, overall_low, overall_high, config, kind, gate, within_noise, p_above, "
    "p_target, detectable, selected_on, forwards, backwards, peak_device_mb, extra_params, inference_overhead, "
    "language, passages, language_loss, precision, settings"
)


def row(method: str = "npo", **changes: Any) -> LeaderboardRow:
    fixed: dict[str, Any] = {
        "model": "llava-toy", "task": "smllmun-toy", "forget_ratio": 0.05, "seeds": 1, "version": "0.1.0",
        "kind": RowKind.WEIGHTS, "fidelity": Fidelity.PAPER,
    }  # fmt: skip
    return LeaderboardRow(**{**fixed, "method": method, **changes})


def test_the_columns_and_their_order() -> None:
    assert ", ".join(COLUMNS) == FIRST


def test_every_column_has_its_line_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "leaderboard.md").read_text()
    assert re.findall(r"^\| `(\w+)`", text, re.MULTILINE) == list(COLUMNS)


def test_the_file_is_plain_rfc_4180() -> None:
    text = to_csv([row('a,"b"\nc', overall=0.1, seeds=3, trainable_params=0)])
    assert text.split("\r\n", 1)[1] == (
        ',"a,""b""\nc",paper,llava-toy,smllmun-toy,0.05,3,,,,,,,,,0.1,,,,,,0,,0.1.0,,,,,,weights,,,,,,,,,,,,,,,,\r\n'
    )


SHARES = st.none() | st.floats(0, 1)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
DANGEROUS = st.sampled_from(
    [
        "=cmd()",
        "'=cmd()",
        "'",
        "''",
        "'x",
        "-1",
        "'-1",
        "-x",
        "+1e5",
        "@a",
        "\tb",
        "\r",
        " ",
        "'\t",
        "\ufeff=1",
        "'\ufeff=1",
        "\ufeff",
        "\u200b+x",
        " =1",
        "\n=1",
        "\xa0-x",
        "＝1",
        "\x00=1",
        "\ufeff-1",
    ]
)


@given(TEXTS | DANGEROUS, TEXTS | DANGEROUS, SHARES, st.none() | st.floats(-1e300, 1e300), st.none() | st.integers(0))
def test_what_is_written_is_read(
    method: str, config: str, share: float | None, overall: float | None, params: int | None
) -> None:
    rows = (row(method, config=config, forget_image=share, overall=overall, trainable_params=params), row())
    assert from_csv(to_csv(rows), source="x.csv") == rows
    assert to_csv(from_csv(to_csv(rows), source="x.csv")) == to_csv(rows)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd",
        "-cmd",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "-1+1",
        "=HYPERLINK(1)",
        "\ufeff=1+1",
        "\ufeff\ufeff@x",
        " =1",
        "\u3000+x",
        "\n=1",
        "\x0b=1",
        "\u200b-x",
        "\x00=1",
        "＝1",
        "\ufeff-1",
    ],
)
def test_no_cell_is_a_formula(text: str) -> None:
    cells = next(csv.DictReader(io.StringIO(to_csv([row(text, overall=-0.5)]).split("\r\n", 0)[0], newline="")))
    assert cells["method"] == "'" + text
    assert cells["overall"] == "-0.5"


def test_rank_by_overall_references_unranked_undefined_last() -> None:
    rows = [
        row("b", overall=0.5), row("none"), row("gold", overall=0.9, kind="reference", fidelity=None),
        row("a", overall=0.5), row("low", overall=-0.1), row("best", overall=0.7),
        row("target", kind="reference", fidelity=None),
    ]  # fmt: skip
    expected = [("gold", None), ("best", 1), ("a", 2), ("b", 2), ("low", 4), ("none", None), ("target", None)]
    assert [(entry.method, entry.rank) for entry in rank(rows)] == expected
    assert rank(reversed(rows)) == rank(rows)
    assert rank(rank(rows)) == rank(rows)


def test_rows_of_different_tasks_models_and_ratios_do_not_compete() -> None:
    rows = [
        row(overall=0.1),
        row(overall=0.9, task="z"),
        row(overall=0.5, model="z"),
        row(overall=0.7, forget_ratio=0.1),
    ]
    assert [entry.rank for entry in rank(rows)] == [1, 1, 1, 1]
    assert len(leaderboard_tables(rows)) == 4


@pytest.mark.parametrize(
    "change", [{"forget_image": 1.01}, {"overall": float("nan")}, {"seeds": 0}, {"method": ""}, {"x": 1}]
)
def test_impossible_numbers_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        row(**{"method": "a", **change})


def test_all_faults_of_a_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "board.csv"
    good = to_csv([row("ok")])
    bad = good.splitlines()[1].replace("paper", "papr").replace("0.05,1", "five,0")
    path.write_bytes(f"\ufeff{good}{bad}\r\n1,2\r\n".encode())
    with pytest.raises(UserError) as caught:
        read_csv(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"4 faults in {path}"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        f"{path}, row 2 (line 3), column 'fidelity'",
        f"{path}, row 2 (line 3), column 'forget_ratio'",
        f"{path}, row 2 (line 3), column 'seeds'",
        f"{path}, row 3 (line 4)",
    ]
    assert "(found 'five')" in lines[2]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("overall,", "overal,", "column 'overall': column is missing"),
        ("overall,", "overal,", "column 'overal': unknown column; try 'overall'"),
        ("rank,method", "method,rank", "columns out of order"),
        ("config,kind", "config,kind,kind", "column stands twice"),
    ],
)
def test_a_wrong_header_is_named(old: str, new: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        from_csv(to_csv([row()]).replace(old, new, 1), source="board.csv")
    assert message in str(caught.value)


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs")])
@pytest.mark.parametrize("first", ["", "sep={}\r\n"])  # the second is what some spreadsheets put before it
def test_another_separator_is_told_once(sign: str, name: str, first: str) -> None:
    with pytest.raises(UserError) as caught:
        from_csv(first.format(sign) + to_csv([row()]).replace(",", sign), source="board.csv")
    assert str(caught.value).splitlines()[:2] == [
        f"the columns are separated by {name}, expected commas",
        "  at   board.csv, line 1",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b"\xff", "not UTF-8"), (",".join(COLUMNS).encode() + b'\r\n"a', "not CSV")],
)
def test_files_that_are_no_leaderboards(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "board.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_csv(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_csv(tmp_path / "none.csv")


def test_the_tables_show_every_row_within_120_columns() -> None:
    scores = dict.fromkeys(
        ["forget_image", "forget_text", "retain_image", "retain_text", "understanding_forget", "understanding_retain",
         "general_vqa", "meaningful"], 0.123
    )  # fmt: skip
    rows = [
        row("[forget] a method", **scores, overall=-0.5, overall_low=-0.52, overall_high=-0.47,
            fidelity=Fidelity.RECONSTRUCTION),
        row("gold", kind="reference", fidelity=None, overall=0.9),
    ]  # fmt: skip
    console = make_console(width=120)
    with console.capture() as captured:
        console.print(*leaderboard_tables(rows))
    text = captured.get()
    assert max(len(line) for line in text.splitlines()) <= 120
    assert "smllmun-toy · forget 5 % · llava-toy" in text
    assert "[forget] a method" in text
    assert "…" not in text
    for shown in ("reconstruction", "reference", "-0.500", "±.030", "0.900"):
        assert shown in text


def test_the_table_marks_noise_and_stamps_and_the_lines_below_explain_them() -> None:
    rows = [
        row("clear", overall=0.9, within_noise="none", p_target=0.01, detectable=0.1),
        row("same", overall=0.8, within_noise="above", p_target=0.01, detectable=0.2),
        row("nothing", overall=0.0, within_noise="above, target", selected_on="test", gate="target damaged"),
    ]
    assert [marked(entry) for entry in rows] == ["clear", "same ~", "nothing ~\u2248 (test)"]
    told = caveats(rows)
    assert [line.split(":")[0][:12] for line in told] == [
        "GATE target ", "~ overall wi", "\u2248 forgetting", "Power", "Settings cho",
    ]  # fmt: skip
    assert "0.20" in told[3]
    console = make_console(width=120)
    with console.capture() as capture:
        console.print(*leaderboard_tables(rows))
    assert "nothing ~\u2248" in capture.get()


def test_methods_that_leave_the_weights_are_marked_and_said() -> None:
    rows = [row("eco", kind="test-time"), row("ga", gate="ok", within_noise="none")]
    assert [marked(entry) for entry in rows] == ["eco \u2020", "ga"]
    assert "\u2020 suppression, weights unchanged: eco" in caveats(rows)


def test_rows_without_caveats_need_no_lines() -> None:
    assert caveats([row("a", gate="ok", within_noise="none"), row("gold", kind="reference", fidelity=None)]) == []


@pytest.mark.parametrize("missing", range(1, len(COLUMNS) - OLDEST + 1))
def test_a_file_from_before_there_were_the_last_columns_is_read(missing: int) -> None:
    rows = [row("npo", overall=0.5), row("target", kind="reference", fidelity=None)]
    older = "".join(line.rsplit(",", missing)[0] + "\r\n" for line in to_csv(rows).splitlines())
    assert COLUMNS[-missing] not in older
    assert from_csv(older, source="old.csv") == tuple(rows)


def test_a_table_says_where_language_does_not_apply() -> None:
    console = make_console(width=120)
    with console.capture() as captured:
        console.print(*leaderboard_tables([row("npo", overall=0.5)]))
    text = captured.get()
    assert "n/a" in next(line for line in text.splitlines() if line.split()[:2] == ["1", "npo"])
    assert "language: n/a" in text
    with console.capture() as captured:
        console.print(*leaderboard_tables([row("npo", overall=0.5, language=0.75)]))
    assert "n/a" not in captured.get()
    assert "0.750" in captured.get()
