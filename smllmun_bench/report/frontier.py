"""The frontier as a picture: how much was forgotten, against each kind of what should have stayed."""

import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from smllmun_bench.errors import UserError
from smllmun_bench.metrics.statistics import mean
from smllmun_bench.report.leaderboard import LeaderboardRow, RowKind, table_key
from smllmun_bench.report.output import visible
from smllmun_bench.scoring.columns import MEMORY, panels
from smllmun_bench.store.atomic import atomic_write

SUFFIXES = (".svg", ".png", ".html")


def points(rows: Iterable[LeaderboardRow]) -> list[dict[str, object]]:
    """One point per row and kind of retention that the row has, `best` where no other method of the kind is better.

    `forgotten` is 1 − the mean of the forget columns, `kept` the mean of the kind's columns, both in [0, 1].
    """
    found: list[dict[str, object]] = []
    listed = list(rows)
    for kind, columns in panels().items():
        placed = [
            (row, 1 - forgotten, kept)
            for row in listed
            if (forgotten := _mean(row, MEMORY)) is not None and (kept := _mean(row, columns)) is not None
        ]
        rivals = {(x, y) for row, x, y in placed if row.kind is not RowKind.REFERENCE}
        for row, x, y in placed:
            beaten = any(a >= x and b >= y for a, b in rivals - {(x, y)})
            best = row.kind is not RowKind.REFERENCE and not beaten
            found.append(
                {
                    "method": visible(row.method),
                    "kind": row.kind.value,
                    "retention": kind,
                    "forgotten": x,
                    "kept": y,
                    "best": best,
                }
            )
    return found


def draw(rows: Sequence[LeaderboardRow], path: Path) -> None:
    """Write the picture to `path`, in the format of its suffix.

    Raises UserError for another suffix, for rows of more than one comparison, and without the `plot` extra.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"cannot draw {path.name!r}", where="--plot", fix=f"a file that ends in {', '.join(SUFFIXES)}")
    groups = {table_key(row) for row in rows}
    if len(groups) != 1:
        raise UserError(
            f"the rows belong to {len(groups)} comparisons", where="--plot", fix="a folder with runs of one"
        )
    try:
        import altair
        import vl_convert  # noqa: F401 - what altair saves SVG and PNG with
    except ImportError:
        raise UserError("drawing needs altair", where="--plot", fix="pip install 'smllmun-bench[plot]'") from None
    chart: Any = _chart(altair, points(rows))
    kind = path.suffix.removeprefix(".")
    drawn = io.BytesIO() if kind == "png" else io.StringIO()
    chart.save(drawn, format=kind, **({"inline": True, "json_kwds": {"cls": _InScript}} if kind == "html" else {}))
    atomic_write(path, drawn.getvalue())


class _InScript(json.JSONEncoder):
    """JSON that stands in a page's script: a name in it can neither end the script nor be markup."""

    def encode(self, value: Any) -> str:
        text = super().encode(value)
        return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _chart(altair: Any, values: list[dict[str, object]]) -> Any:
    data = altair.Data(values=values)
    x = altair.X("forgotten:Q", title="forgotten (1 − forget score)", scale=altair.Scale(domain=[0, 1]))
    y = altair.Y("kept:Q", title="kept", scale=altair.Scale(domain=[0, 1]))
    base = altair.Chart(data).encode(x=x, y=y)
    dots = base.mark_point(size=55, filled=True, opacity=0.85).encode(
        color=altair.Color("kind:N", title=None, scale=altair.Scale(range=["#888888", "#c44e52", "#1f77b4"])),
        shape=altair.Shape("kind:N", title=None),
        tooltip=["method:N", "forgotten:Q", "kept:Q"],
    )
    edge = (
        base.transform_filter("datum.best")
        .mark_line(strokeDash=[4, 3], color="#1f77b4", opacity=0.5)
        .encode(order="forgotten:Q")
    )
    names = base.mark_text(align="left", dx=5, dy=-4, fontSize=8).encode(text="method:N")
    layered = altair.layer(edge, dots, names).properties(width=330, height=260)
    return layered.facet(facet=altair.Facet("retention:N", title=None, sort=list(panels())), columns=2)


def _mean(row: LeaderboardRow, columns: Sequence[str]) -> float | None:
    return mean(getattr(row, column) for column in columns)
