"""The frontier as a picture: how much was forgotten, against each kind of what should have stayed, and `overall`.

It is made for print: at the width of a page of two columns no text is smaller than 7 pt, no label stands on another,
95 % intervals are drawn where the rows have them, and a method has the same colour in every panel of every picture.
"""

import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smllmun_bench.errors import UserError
from smllmun_bench.metrics.statistics import Interval, mean
from smllmun_bench.report.formats import Intervals
from smllmun_bench.report.leaderboard import LeaderboardRow, RowKind, table_key
from smllmun_bench.report.output import visible
from smllmun_bench.report.placement import place
from smllmun_bench.scoring.columns import MEMORY, panels
from smllmun_bench.store.atomic import atomic_write

SUFFIXES = (".svg", ".pdf", ".png", ".html")
WIDTH, HEIGHT = 240, 220  # of a panel, in pixels
FONT = 13  # pixels of all text: 7 pt where the whole picture is as wide as a page's text
LETTER = 0.6  # widths of a letter by its font's size, at most
REACH = 30.0  # pixels: a name further from its point than that is a number in all panels instead
_MARGIN = 0.05  # of a panel's range, on each side
_GREY = "#555555"
# Dark enough on white; neighbours differ in lightness too, for print without colour.
_PALETTE = (
    "#1f77b4", "#0b3c5d", "#d9570a", "#8c3b0a", "#2ca02c", "#12591a", "#d62728", "#7d1128", "#9467bd", "#4b2a7b",
    "#8c564b", "#5a3a2e", "#d4459f", "#8a1766", "#7a8a00", "#4d5700", "#0f9aa8", "#0a5a63", "#b8860b", "#6b4e00",
    "#4f6bed", "#22339b", "#c0507c", "#3f7f5f",
)  # fmt: skip
_SALT = 2042  # of 3,000, the one with which the methods that we have share fewest colours
_SHAPES = {RowKind.REFERENCE: "cross", RowKind.WEIGHTS: "circle", RowKind.TEST_TIME: "triangle-up"}


@dataclass(frozen=True, slots=True)
class Point:
    """A row in one panel, `best` where no other method of the panel is better in both; intervals where there are."""

    number: int  # of the row
    method: str
    kind: RowKind
    retention: str
    forgotten: float
    kept: float
    best: bool
    forgotten_interval: Interval | None = None
    kept_interval: Interval | None = None


def points(rows: Iterable[LeaderboardRow], intervals: Intervals | None = None) -> list[Point]:
    """One point per row and kind of retention that the row has.

    `forgotten` is 1 − the mean of the forget columns, `kept` the mean of the kind's columns, both in [0, 1]. The
    interval of a mean of columns is the mean of theirs: never too narrow, whatever the columns have in common.
    """
    found: list[Point] = []
    listed = list(rows)
    for retention, columns in panels().items():
        placed = [
            (number, row, 1 - forgotten, kept)
            for number, row in enumerate(listed, 1)
            if (forgotten := _mean(row, MEMORY)) is not None and (kept := _mean(row, columns)) is not None
        ]
        rivals = {(x, y) for _, row, x, y in placed if row.kind is not RowKind.REFERENCE}
        for number, row, x, y in placed:
            ends = (intervals or {}).get(row.run_id or "", {})
            forgetting = _interval(row, MEMORY, ends)
            beaten = any(a >= x and b >= y for a, b in rivals - {(x, y)})
            found.append(
                Point(
                    number=number,
                    method=visible(row.method),
                    kind=row.kind,
                    retention=retention,
                    forgotten=x,
                    kept=y,
                    best=row.kind is not RowKind.REFERENCE and not beaten,
                    forgotten_interval=forgetting and Interval(1 - forgetting.high, 1 - forgetting.low),
                    kept_interval=_interval(row, columns, ends),
                )
            )
    return found


def colour(method: str) -> str:
    """Of a method, by its name alone: the same in every picture, whoever else is in it."""
    return _PALETTE[int.from_bytes(hashlib.sha256(f"{_SALT} {method}".encode()).digest()[:4]) % len(_PALETTE)]


def draw(rows: Sequence[LeaderboardRow], path: Path, intervals: Intervals | None = None) -> None:
    """Write the picture to `path`, in the format of its suffix; `intervals` as `leaderboard` has them.

    Raises UserError for another suffix, for rows of more than one comparison, and without the `plot` extra.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise UserError(f"cannot draw {path.name!r}", where="--plot", fix=f"a file that ends in {', '.join(SUFFIXES)}")
    groups = {table_key(row) for row in rows}
    if len(groups) != 1:
        raise UserError(
            f"the rows belong to {len(groups)} comparisons", where="--plot", fix="a folder with runs of one"
        )
    try:
        import altair
        import vl_convert  # noqa: F401 - what altair saves SVG, PDF and PNG with
    except ImportError:
        raise UserError("drawing needs altair", where="--plot", fix="pip install 'smllmun-bench[plot]'") from None
    chart = _chart(altair, rows, intervals)
    how: dict[str, Any] = {"inline": True, "json_kwds": {"cls": _InScript}} if kind == ".html" else {}
    if kind == ".png":
        how["ppi"] = 300
    drawn = io.BytesIO() if kind in (".png", ".pdf") else io.StringIO()
    chart.save(drawn, format=kind.removeprefix("."), **how)
    atomic_write(path, drawn.getvalue())


class _InScript(json.JSONEncoder):
    """JSON that stands in a page's script: a name in it can neither end the script nor be markup."""

    def encode(self, value: Any) -> str:
        text = super().encode(value)
        return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


# --- the whole ---------------------------------------------------------------------------------------------------


def _chart(altair: Any, rows: Sequence[LeaderboardRow], intervals: Intervals | None) -> Any:
    found = points(rows, intervals)
    by_panel = {title: [p for p in found if p.retention == title] for title in panels()}
    frames = [_Panel(title, listed) for title, listed in by_panel.items() if listed]
    named = all(None not in frame.places(named=True, reach=REACH) for frame in frames)
    drawn = [_panel(altair, frame, named=named) for frame in frames]
    parts = [altair.concat(*drawn, columns=2)] if drawn else []
    chart = altair.hconcat(*parts, _overall(altair, rows, numbered=not named))
    chart = chart.resolve_scale(shape="independent").resolve_legend(shape="independent")
    return chart.configure(font="Arial, Helvetica, Liberation Sans, sans-serif").configure_concat(spacing=14)


def _overall(altair: Any, rows: Sequence[LeaderboardRow], *, numbered: bool) -> Any:
    """A line per row in the table's order, with `overall` and its interval: the panels' legend as well."""
    names = _distinct([visible(row.method) for row in rows])
    labels = [f"{name}  {number}" if numbered else name for number, name in enumerate(names, 1)]
    values = [
        _drawn(row.method, row.kind)
        | {"label": label, "overall": row.overall, "low": row.overall_low, "high": row.overall_high}
        for row, label in zip(rows, labels, strict=True)
    ]
    y = altair.Y("label:N", sort=labels, title=None, axis=_axis(altair, labelLimit=260, labelOverlap=False, grid=True))
    x = altair.X(
        "overall:Q", title="overall", scale=altair.Scale(domain=[0, 1]), axis=_axis(altair, values=[0, 0.5, 1])
    )
    every = altair.Chart(altair.Data(values=values)).mark_point(opacity=0).encode(y=y)
    scored = [value for value in values if value["overall"] is not None]
    dots = _dots(altair, scored, x, y, legend=True)
    bars = (
        altair.Chart(altair.Data(values=[v for v in scored if v["low"] is not None and v["high"] is not None]))
        .mark_rule(strokeWidth=1.5)
        .encode(x=altair.X("low:Q"), x2="high:Q", y=y, color=altair.Color("colour:N", scale=None))
    )
    return altair.layer(every, bars, dots).properties(width=130, height=altair.Step(FONT + 4), title="overall, 95 %")


def _distinct(names: Sequence[str]) -> list[str]:
    """Equal names are numbered: each stands on a line of its own."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


# --- a panel -----------------------------------------------------------------------------------------------------


class _Panel:
    """The points of one panel, its ranges, and where its labels stand in pixels."""

    def __init__(self, title: str, listed: Sequence[Point]) -> None:
        self.title, self.points = title, listed
        self.x = _range([p.forgotten for p in listed], [p.forgotten_interval for p in listed])
        self.y = _range([p.kept for p in listed], [p.kept_interval for p in listed])

    def places(self, *, named: bool, reach: float = math.inf) -> list[tuple[float, float] | None]:
        widths = [LETTER * FONT * len(label) for label in self.labels(named=named)]
        return place([self.pixel(p) for p in self.points], widths, FONT, (WIDTH, HEIGHT), reach=reach)

    def labels(self, *, named: bool) -> list[str]:
        return [p.method if named else str(p.number) for p in self.points]

    def pixel(self, point: Point) -> tuple[float, float]:
        (left, right), (low, high) = self.x, self.y
        return (point.forgotten - left) / (right - left) * WIDTH, (high - point.kept) / (high - low) * HEIGHT


def _panel(altair: Any, frame: _Panel, *, named: bool) -> Any:
    x = altair.X("forgotten:Q", title="forgotten", scale=_scale(altair, frame.x), axis=_axis(altair))
    y = altair.Y("kept:Q", title="kept", scale=_scale(altair, frame.y), axis=_axis(altair))
    dots = [_drawn(p.method, p.kind) | {"forgotten": p.forgotten, "kept": p.kept} for p in frame.points]
    edge = sorted((p.forgotten, -p.kept) for p in frame.points if p.best)
    frontier = (
        altair.Chart(altair.Data(values=[{"forgotten": a, "kept": -b} for a, b in edge]))
        .mark_line(strokeDash=[4, 3], color=_GREY, opacity=0.6)
        .encode(x=x, y=y, order="forgotten:Q")
    )
    layers = [*_bars(altair, frame, x, y), frontier, *_names(altair, frame, named=named), _dots(altair, dots, x, y)]
    return altair.layer(*layers).properties(
        width=WIDTH, height=HEIGHT, title=altair.TitleParams(frame.title, fontSize=FONT)
    )


def _bars(altair: Any, frame: _Panel, x: Any, y: Any) -> list[Any]:
    """The intervals, across and down."""
    across = [
        _drawn(p.method, p.kind) | {"kept": p.kept, "low": ends.low, "high": ends.high}
        for p in frame.points
        if (ends := p.forgotten_interval) is not None
    ]
    down = [
        _drawn(p.method, p.kind) | {"forgotten": p.forgotten, "low": ends.low, "high": ends.high}
        for p in frame.points
        if (ends := p.kept_interval) is not None
    ]
    hue = altair.Color("colour:N", scale=None)
    layers = []
    if across:
        base = altair.Chart(altair.Data(values=across)).mark_rule(opacity=0.45)
        layers.append(
            base.encode(
                x=altair.X("low:Q", scale=_scale(altair, frame.x), title="forgotten"), x2="high:Q", y=y, color=hue
            )
        )
    if down:
        base = altair.Chart(altair.Data(values=down)).mark_rule(opacity=0.45)
        layers.append(
            base.encode(x=x, y=altair.Y("low:Q", scale=_scale(altair, frame.y), title="kept"), y2="high:Q", color=hue)
        )
    return layers


def _names(altair: Any, frame: _Panel, *, named: bool) -> list[Any]:
    """Labels, and lines to those that do not stand beside their points; no label where there is no room at all."""
    texts, leaders = [], []
    places = frame.places(named=named)
    for point, label, found in zip(frame.points, frame.labels(named=named), places, strict=True):
        if found is None:
            continue
        (x, y), (at_x, at_y) = found, frame.pixel(point)
        half = LETTER * FONT * len(label) / 2
        texts.append(_drawn(point.method, point.kind) | {"x": x, "y": y, "label": label})
        end_x, end_y = min(max(at_x, x - half), x + half), min(max(at_y, y - FONT / 2), y + FONT / 2)
        if math.hypot(end_x - at_x, end_y - at_y) > FONT:
            leaders.append({"x": at_x, "y": at_y, "x2": end_x, "y2": end_y})
    pixels = {"x": altair.X("x:Q", scale=None, axis=None), "y": altair.Y("y:Q", scale=None, axis=None)}
    lines = altair.Chart(altair.Data(values=leaders)).mark_rule(color=_GREY, strokeWidth=0.6)
    written = altair.Chart(altair.Data(values=texts)).mark_text(fontSize=FONT, align="center", baseline="middle")
    return [
        lines.encode(**pixels, x2="x2:Q", y2="y2:Q"),
        written.encode(**pixels, text="label:N", color=altair.Color("colour:N", scale=None)),
    ]


# --- what all parts share ----------------------------------------------------------------------------------------


def _drawn(method: str, kind: RowKind) -> dict[str, object]:
    """Colour and shape of a row, wherever it stands."""
    name = visible(method)
    return {"method": name, "kind": kind.value, "colour": _GREY if kind is RowKind.REFERENCE else colour(name)}


def _dots(altair: Any, values: Sequence[Mapping[str, object]], x: Any, y: Any, *, legend: bool = False) -> Any:
    shape = altair.Shape(
        "kind:N",
        scale=altair.Scale(domain=[kind.value for kind in _SHAPES], range=list(_SHAPES.values())),
        legend=altair.Legend(title=None, orient="bottom", direction="vertical", labelFontSize=FONT) if legend else None,
    )
    return (
        altair.Chart(altair.Data(values=list(values)))
        .mark_point(size=60, filled=True, opacity=0.9)
        .encode(x=x, y=y, shape=shape, color=altair.Color("colour:N", scale=None), tooltip=["method:N"])
    )


def _axis(altair: Any, **more: Any) -> Any:
    return altair.Axis(labelFontSize=FONT, titleFontSize=FONT, titleFontWeight="normal", **{"grid": False} | more)


def _scale(altair: Any, ends: tuple[float, float]) -> Any:
    return altair.Scale(domain=list(ends), nice=False, zero=False)


def _range(values: Sequence[float], intervals: Sequence[Interval | None]) -> tuple[float, float]:
    """From the tenth below all that is drawn to the tenth above it, and a margin."""
    drawn = [*values, *(end for interval in intervals if interval is not None for end in interval)]
    low, high = math.floor(min(drawn) * 10) / 10, math.ceil(max(drawn) * 10) / 10
    high = max(high, low + 0.1)
    margin = (high - low) * _MARGIN
    return low - margin, high + margin


def _mean(row: LeaderboardRow, columns: Sequence[str]) -> float | None:
    return mean(getattr(row, column) for column in columns)


def _interval(row: LeaderboardRow, columns: Sequence[str], ends: Mapping[str, Interval]) -> Interval | None:
    """Of the mean of those columns that the row has; None unless each of them has one."""
    there = [column for column in columns if getattr(row, column) is not None]
    if not there or any(column not in ends for column in there):
        return None
    lows, highs = [ends[column].low for column in there], [ends[column].high for column in there]
    return Interval(math.fsum(lows) / len(lows), math.fsum(highs) / len(highs))
