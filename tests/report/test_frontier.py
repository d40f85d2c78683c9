"""The frontier: which points lie on it, and that a picture comes out."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from smllmun_bench.errors import UserError
from smllmun_bench.report.frontier import draw, points
from smllmun_bench.report.leaderboard import LeaderboardRow, RowKind


def row(method: str, forget: float, keep: float, kind: RowKind = RowKind.WEIGHTS, task: str = "t") -> LeaderboardRow:
    return LeaderboardRow(
        method=method, model="m", task=task, forget_ratio=0.1, seeds=1, version="1", kind=kind,
        forget_image=forget, forget_text=forget, retain_image=keep, retain_text=keep, general_vqa=keep,
    )  # fmt: skip


ROWS = (
    row("gold", 0.0, 1.0, RowKind.REFERENCE),
    row("gentle", 0.8, 0.9),
    row("harsh", 0.1, 0.2),
    row("worse", 0.85, 0.85),
)


def test_a_method_that_no_other_beats_is_on_the_frontier() -> None:
    best = {(p["method"], p["retention"]) for p in points(ROWS) if p["best"]}
    assert best == {(m, r) for m in ("gentle", "harsh") for r in ("memory of others", "general VQA")}


def test_coordinates_are_means_of_the_columns_that_are_there() -> None:
    (point,) = [p for p in points(ROWS) if p["method"] == "gentle" and p["retention"] == "memory of others"]
    assert (point["forgotten"], point["kept"]) == (pytest.approx(0.2), pytest.approx(0.9))


@pytest.mark.parametrize("suffix", [".svg", ".html"])
def test_a_picture_names_every_method(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"frontier{suffix}"
    draw(ROWS, path)
    text = path.read_text(encoding="utf-8")
    assert all(r.method in text for r in ROWS)


@pytest.mark.parametrize(
    ("rows", "name", "says"),
    [(ROWS, "frontier.bmp", ".svg"), ((*ROWS, row("other", 0, 1, task="another")), "frontier.svg", "2 comparisons")],
)
def test_what_cannot_be_drawn(tmp_path: Path, rows: tuple[LeaderboardRow, ...], name: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        draw(rows, tmp_path / name)


@pytest.mark.parametrize("suffix", [".svg", ".html"])
@pytest.mark.parametrize("name", ["</script><img src=x onerror=alert(1)>", "<b>&amp;", "a\x1b[31mb\u202ec\u2028"])
def test_a_name_is_no_markup(tmp_path: Path, suffix: str, name: str) -> None:
    path = tmp_path / f"frontier{suffix}"
    draw([*ROWS, row(name, 0.3, 0.6)], path)
    text = path.read_text(encoding="utf-8")
    assert "onerror=alert(1)>" not in text
    assert "<b>&amp;" not in text
    if suffix == ".svg":
        assert not {"\x1b", "\u202e", "\u2028"} & set(text)
        ElementTree.fromstring(text)
