"""The frontier: which points lie on it, and that a picture comes out."""

import itertools
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from smllmun_bench.errors import UserError
from smllmun_bench.metrics.statistics import Interval
from smllmun_bench.report.frontier import FONT, LETTER, colour, draw, points
from smllmun_bench.report.leaderboard import LeaderboardRow, RowKind, rank, read_csv
from smllmun_bench.report.placement import Box, place


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
    best = {(p.method, p.retention) for p in points(ROWS) if p.best}
    assert best == {(m, r) for m in ("gentle", "harsh") for r in ("memory of others", "general VQA")}


def test_coordinates_are_means_of_the_columns_that_are_there() -> None:
    (point,) = [p for p in points(ROWS) if p.method == "gentle" and p.retention == "memory of others"]
    assert (point.forgotten, point.kept) == (pytest.approx(0.2), pytest.approx(0.9))


@pytest.mark.parametrize("suffix", [".svg", ".html"])
def test_a_picture_names_every_method(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"frontier{suffix}"
    draw(ROWS, path)
    text = path.read_text(encoding="utf-8")
    assert all(r.method in text for r in ROWS)


@pytest.mark.parametrize(
    ("rows", "name", "says"),
    [
        (ROWS, "frontier.bmp", r"ends in \.svg, \.pdf, \.png, \.html"),
        ((*ROWS, row("other", 0, 1, task="another")), "frontier.svg", "2 comparisons"),
    ],
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


LETTERS = {".": 0.28} | dict.fromkeys(
    "0123456789", 0.56
)  # widths in Arial by its size; others are no wider than LETTER
SVG = "{http://www.w3.org/2000/svg}"
RESULTS = Path(__file__).parents[2] / "results"


def texts(path: Path) -> list[tuple[str, str, Box]]:
    """(words, colour, box) of every label, with what it stands in added up."""
    found = []

    def walk(node: ElementTree.Element, x: float, y: float) -> None:
        if moved := re.match(r"translate\(([-\d.e]+),\s*([-\d.e]+)\)", node.get("transform", "")):
            x, y = x + float(moved[1]), y + float(moved[2])
        if node.tag == f"{SVG}text" and node.text:
            size = float(node.get("font-size", "0").removesuffix("px"))
            width = size * sum(LETTERS.get(letter, LETTER) for letter in node.text)
            left = x - {"middle": width / 2, "end": width}.get(node.get("text-anchor", "start"), 0.0)
            box = Box(left, y - 0.75 * size, left + width, y + 0.2 * size)
            if turned := re.search(r"rotate\(-90\) translate\(0,([-\d.]+)\)", node.get("transform", "")):
                x += float(turned[1])  # the title of an upright axis
                box = Box(x - 0.75 * size, y - width / 2, x + 0.2 * size, y + width / 2)
            found.append((node.text, node.get("fill", ""), box))
            assert size >= FONT
        for child in node:
            walk(child, x, y)

    walk(ElementTree.parse(path).getroot(), 0, 0)
    return found


@pytest.mark.parametrize("name", ["toy", "small"])
def test_no_label_stands_on_another(tmp_path: Path, name: str) -> None:
    rows = rank(read_csv(RESULTS / f"{name}_leaderboard.csv"))
    draw(rows, tmp_path / "all.svg")
    found = texts(tmp_path / "all.svg")
    assert len(found) > 5 * len(rows)  # four panels and the list
    assert [(a[0], b[0]) for a, b in itertools.combinations(found, 2) if a[2].meets(b[2])] == []
    width = float(ElementTree.parse(tmp_path / "all.svg").getroot().get("width", "nan"))
    assert FONT * (6.75 * 72) / width >= 7  # points, at the width of a page's text
    words = [text for text, _, _ in found]
    assert all(f"{row.method}  {number}" in words for number, row in enumerate(rows, 1))


def test_a_method_has_one_colour_in_every_figure(tmp_path: Path) -> None:
    for name, more in (("few", []), ("more", [row(f"other-{n}", 0.5, 0.5) for n in range(9)])):
        draw([*ROWS, *more], tmp_path / f"{name}.svg")
    fills = [fill for text, fill, _ in texts(tmp_path / "few.svg") if text == "gentle" and fill == colour("gentle")]
    assert len(fills) == 2  # named in both panels: there is room
    assert colour("gentle") in (tmp_path / "more.svg").read_text()
    assert colour("gentle") != colour("harsh")


def test_intervals_are_those_of_the_rows() -> None:
    """The mean of two columns: lows (.1 + .3)/2, highs (.2 + .6)/2; forgotten is 1 − that."""
    ends = {"forget_image": Interval(0.1, 0.2), "forget_text": Interval(0.3, 0.6), "general_vqa": Interval(0.8, 1.0)}
    one = row("a", 0.3, 0.9).model_copy(update={"run_id": "r"})
    of = {point.retention: point for point in points([one], {"r": ends})}
    assert of["general VQA"].kept_interval == Interval(0.8, 1.0)
    assert of["general VQA"].forgotten_interval == pytest.approx((0.6, 0.8))
    assert of["memory of others"].kept_interval is None  # no half of an interval
    assert points([one])[0].forgotten_interval is None


def test_an_interval_is_a_line_in_the_picture(tmp_path: Path) -> None:
    whole = row("a", 0.3, 0.9).model_copy(update={"run_id": "r", "overall": 0.5})
    ranged = whole.model_copy(update={"overall_low": 0.4, "overall_high": 0.6})
    drawn = {}
    for name, one, ends in (("none", whole, {}), ("csv", ranged, {}), ("runs", ranged, {"general_vqa": (0.8, 1.0)})):
        draw([one], tmp_path / f"{name}.svg", {"r": {column: Interval(*pair) for column, pair in ends.items()}})
        drawn[name] = len(re.findall(rf'<line[^>]*stroke="{colour("a")}"', (tmp_path / f"{name}.svg").read_text()))
    assert drawn == {"none": 0, "csv": 1, "runs": 2}


@pytest.mark.parametrize(("name", "begins"), [("a.PDF", b"%PDF-"), ("a.png", b"\x89PNG")])
def test_the_suffix_says_the_format(tmp_path: Path, name: str, begins: bytes) -> None:
    draw(ROWS, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_labels_of_equal_points_stand_apart_and_too_many_are_left_out() -> None:
    found = place([(50, 50)] * 5, [20] * 5, 10, (100, 100))
    boxes = [Box.around(*centre, 20, 10) for centre in found if centre]
    assert len(boxes) == 5
    assert not any(a.meets(b) for a, b in itertools.combinations(boxes, 2))
    assert found == place([(50, 50)] * 5, [20] * 5, 10, (100, 100))
    assert None in place([(50, 50)] * 99, [20] * 99, 10, (100, 100))
