"""Two methods over all their seeds and people: every column and `overall`, on the same draws. Loads no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smllmun_bench.errors import UserError, unknown
from smllmun_bench.metrics.statistics import bootstrap_p, draws_can_reject, holm, smallest_difference
from smllmun_bench.results.leaderboard import Row, publishable, rows_of
from smllmun_bench.results.run_folder import find_runs
from smllmun_bench.scoring.intervals import DRAWS, interval, table_draws
from smllmun_bench.scoring.significance import LEVEL, ROUNDING


@dataclass(frozen=True, slots=True)
class MethodDifference:
    """One column; a and b are the rows' own figures (means over seeds), `difference` is b − a.

    Its 95 % interval and `p` come from draws of people and seeds, both methods on the same people; `p_holm` is
    corrected over the columns, `overall` among them. `smallest`: what such a test would find in four of five tries.
    """

    column: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    smallest: float
    verdict: str


@dataclass(frozen=True, slots=True)
class MethodsCompared:
    a: str
    b: str
    seeds_a: tuple[int | None, ...]
    seeds_b: tuple[int | None, ...]
    columns: tuple[MethodDifference, ...]


def compare_methods(folder: Path, a: str, b: str, *, seed: int = 0, draws: int = DRAWS) -> MethodsCompared:
    """The finished runs of b against those of a, below `folder`.

    Raises UserError where one of them has no runs or several settings, or where the two were not asked the same.
    """
    fit, _ = publishable(find_runs(folder))
    rows, _ = rows_of(fit)
    first, second = (_row(name, rows, folder) for name in (a, b))
    if first.comparable != second.comparable:
        raise UserError(
            "the two methods were not run on the same model, task, people and precision",
            where=f"{folder}, {a} and {b}",
            fix="a folder with runs of both on one task",
        )
    for side in (first, second):
        if side.drawable is None:
            raise UserError(
                "the run of its target is not there", where=f"{folder}, {side.name}", fix="run it once more"
            )
    before, after = table_draws([row.drawable for row in (first, second) if row.drawable], seed=seed, draws=draws)
    names = [name for name in before if name in after and first.value(name) is not None is not second.value(name)]
    differences = {name: after[name] - before[name] for name in names}
    known = {name: values[~np.isnan(values)] for name, values in differences.items()}
    names = [name for name in names if known[name].size]
    p_values = [bootstrap_p(np.where(np.abs(known[name]) < ROUNDING, 0.0, known[name])) for name in names]
    columns = [
        _column(name, first, second, known[name], p, corrected, len(names))
        for name, p, corrected in zip(names, p_values, holm(p_values), strict=True)
    ]
    return MethodsCompared(first.name, second.name, first.seeds, second.seeds, tuple(columns))


def _row(name: str, rows: Sequence[Row], folder: Path) -> Row:
    found = [row for row in rows if name in (row.name, row.label)]
    if not found:
        raise unknown("method", name, sorted({row.label for row in rows}), where=str(folder))
    if len(found) > 1:
        names = ", ".join(repr(row.name) for row in found)
        raise UserError(f"{name!r} stands for {len(found)} rows: {names}", where=str(folder), fix="one of these names")
    return found[0]


def _column(name: str, a: Row, b: Row, drawn: np.ndarray, p: float, corrected: float, tests: int) -> MethodDifference:
    first, second, ends = a.value(name), b.value(name), interval(drawn)
    assert first is not None
    assert second is not None
    verdict = "differs" if corrected < LEVEL else "in the noise"
    if verdict != "differs" and not draws_can_reject(len(drawn), tests, level=LEVEL):
        verdict = "too few draws"
    smallest = smallest_difference(float(drawn.std()), 1)  # the spread of draws is a standard error already
    return MethodDifference(name, first, second, second - first, ends.low, ends.high, p, corrected, smallest, verdict)
