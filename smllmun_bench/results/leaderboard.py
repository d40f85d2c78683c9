"""Run folders become rows of a table: runs that differ in their seed alone are one row.

Reads what `run` wrote; makes nothing and loads no model.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smllmun_bench.errors import UserError
from smllmun_bench.metrics.statistics import Interval, mean
from smllmun_bench.report.leaderboard import COLUMNS, LeaderboardRow, RowKind, rank, sort_key, table_key
from smllmun_bench.results import manifest as manifests
from smllmun_bench.results.manifest import RunManifest
from smllmun_bench.results.run_folder import ITEMS, RunFolder, scores_of
from smllmun_bench.schema import Fold, Score
from smllmun_bench.scoring.columns import MEMORY
from smllmun_bench.scoring.intervals import IdentityMeans, RowRuns, identity_means, interval, table_draws
from smllmun_bench.scoring.significance import AgainstTarget, Evidence, against_target, significance

if TYPE_CHECKING:
    import pandas

REFERENCES = ("base", "target", "gold")
_COSTS = ("forwards", "backwards", "peak_device_mb", "extra_params", "inference_overhead")


@dataclass(frozen=True, slots=True)
class Standing:
    """One row and what stands behind it: the seeds, an interval per column, the mean of each diagnostic figure."""

    row: LeaderboardRow
    seeds: tuple[int | None, ...]
    intervals: Mapping[str, Interval]
    figures: Mapping[str, float] = field(default_factory=dict)
    evidence: Evidence = field(default=Evidence(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A run that is in no row, and why."""

    run: RunFolder
    why: str


@dataclass(frozen=True, slots=True)
class Row:
    """The runs of one row, one of each seed. Rows with an equal `comparable` were asked the same."""

    name: str
    runs: Sequence[RunFolder]
    drawable: RowRuns | None
    comparable: tuple[object, ...]

    @property
    def label(self) -> str:
        return self.runs[0].manifest.label

    @property
    def seeds(self) -> tuple[int | None, ...]:
        return tuple(run.manifest.seed for run in self.runs)

    def value(self, column: str) -> float | None:
        """The mean over the seeds that have the column."""
        return mean(getattr(run.manifest.vector, column) for run in self.runs)


class _Reader:
    """Reads the scored items of each run once, though it may stand in every row as target or gold."""

    def __init__(self) -> None:
        self._scores: dict[Path, Sequence[Score]] = {}
        self._means: dict[Path, IdentityMeans] = {}

    def scores(self, run: RunFolder) -> Sequence[Score]:
        if run.folder not in self._scores:
            self._scores[run.folder] = scores_of(run)
        return self._scores[run.folder]

    def means(self, run: RunFolder) -> IdentityMeans:
        if run.folder not in self._means:
            self._means[run.folder] = identity_means(self.scores(run))
        return self._means[run.folder]


def publishable(runs: Iterable[RunFolder]) -> tuple[list[RunFolder], list[LeftOut]]:
    """The runs that may stand in a leaderboard: done, on the test fold, on all items; and the others."""
    fit: list[RunFolder] = []
    out: list[LeftOut] = []
    for run in runs:
        why = _unfit(run.manifest)
        if why:
            out.append(LeftOut(run, why))
        else:
            fit.append(run)
    return fit, out


def standings(runs: Sequence[RunFolder]) -> tuple[list[Standing], list[LeftOut]]:
    """One row per model, task, forget ratio, settings and label, in the order of their first runs.

    A column is the mean over the seeds that have it, `overall` too. Failed runs have no row. Of two runs with equal
    seed in one row the one written last counts. Each method is tested against the target (what is remembered of the
    forgotten people, signs flipped by person) and against the method ranked above it (`overall`, on the same draws).
    """
    read = _Reader()
    rows, done, out = _rows(runs, read)
    drawn = iter(table_draws([row.drawable for row in rows if row.drawable is not None]))
    found = [
        _standing(row, next(drawn) if row.drawable is not None else {}, _against_target(row.runs, done, read))
        for row in rows
    ]
    return _tested(found), out


def rows_of(runs: Sequence[RunFolder]) -> tuple[list[Row], list[LeftOut]]:
    """The runs of each row, in the order of their first ones, and those that are in no row, as in `standings`."""
    rows, _, out = _rows(runs, _Reader())
    return rows, out


def _rows(runs: Sequence[RunFolder], read: _Reader) -> tuple[list[Row], list[RunFolder], list[LeftOut]]:
    """The rows, all runs that can be read, and those that are in no row."""
    done, out = _readable([run for run in runs if run.manifest.status == "done"], read)
    out += [LeftOut(run, f"failed: {run.manifest.error}") for run in runs if run.manifest.status != "done"]
    groups: dict[tuple[object, ...], dict[int | None, RunFolder]] = defaultdict(dict)
    for run in sorted(done, key=lambda run: (run.folder / manifests.FILE).stat().st_mtime_ns):
        seeds = groups[_row_key(run.manifest)]
        older = seeds.get(run.manifest.seed)
        if older is not None:
            out.append(LeftOut(older, f"an older run of what {run.folder} holds"))
        seeds[run.manifest.seed] = run
    first = {run.folder: place for place, run in enumerate(runs)}
    ordered = sorted(groups.values(), key=lambda seeds: min(first[run.folder] for run in seeds.values()))
    sorted_runs = [_by_seed(seeds) for seeds in ordered]
    names = _names([seeds[0].manifest for seeds in sorted_runs])
    rows = [
        Row(name, seeds, _row_runs(seeds, done, read), _setting(seeds[0].manifest))
        for name, seeds in zip(names, sorted_runs, strict=True)
    ]
    return rows, done, out


def _readable(runs: Iterable[RunFolder], read: _Reader) -> tuple[list[RunFolder], list[LeftOut]]:
    """The runs whose items can be read; a damaged one costs nobody else's row. Without a target no items are needed."""
    runs = list(runs)
    needed = any(run.manifest.label == "target" for run in runs)
    good: list[RunFolder] = []
    bad: list[LeftOut] = []
    for run in runs:
        try:
            if needed or (run.folder / ITEMS).exists():
                read.scores(run)
        except UserError as error:
            bad.append(LeftOut(run, f"damaged: {error}"))
        else:
            good.append(run)
    return good, bad


def frame(found: Sequence[Standing]) -> "pandas.DataFrame":
    """The rows, ranked: the columns of the CSV, then the ends of each column's interval, `<column>_low` and
    `<column>_high`."""
    import pandas

    ranked = pandas.DataFrame([row.model_dump(mode="json") for row in rank(s.row for s in found)], columns=COLUMNS)
    ends = [
        {"run_id": standing.row.run_id}
        | {
            f"{column}_{end}": value
            for column, ends in standing.intervals.items()
            if column != "overall"
            for end, value in ends._asdict().items()
        }
        for standing in found
    ]
    return ranked.merge(pandas.DataFrame(ends, columns=None if ends else ["run_id"]), how="left", on="run_id")


def mixed_versions(rows: Iterable[LeaderboardRow]) -> list[str]:
    """The versions of the package behind the rows, if scores of two of them may not be comparable; else nothing.

    Versions compare while their first number is equal, and below 1.0 while their first two are.
    """
    versions = sorted({row.version for row in rows})
    return versions if len({_compatible(version) for version in versions}) > 1 else []


def _compatible(version: str) -> tuple[str, ...]:
    first, *rest = version.split(".")
    return (first,) if first != "0" else (first, *rest[:1])


def _unfit(manifest: RunManifest) -> str:
    if manifest.status != "done":
        return f"failed: {manifest.error}"
    if manifest.limit is not None:
        return f"limited to {manifest.limit:g} items of each kind"
    if manifest.fold != Fold.TEST:
        return f"on the {manifest.fold} fold"
    return ""


def _setting(manifest: RunManifest) -> tuple[object, ...]:
    """What has to be equal for two runs to be compared."""
    asked = (manifest.digests.get("data"), manifest.digests.get("task"), manifest.task_version)
    people = (manifest.task, manifest.forget_ratio, manifest.fold, manifest.limit)
    return (manifest.model, manifest.precision, *people, *asked)


def _row_key(manifest: RunManifest) -> tuple[object, ...]:
    return (*_setting(manifest), manifest.label, manifest.settings, manifest.digests.get("model"))


def _by_seed(seeds: Mapping[int | None, RunFolder]) -> list[RunFolder]:
    return [seeds[seed] for seed in sorted(seeds, key=lambda seed: -1 if seed is None else seed)]


def _row_runs(seeds: Sequence[RunFolder], everything: Sequence[RunFolder], read: _Reader) -> RowRuns | None:
    """Nothing where the target's run is not at hand: there is nothing to draw with."""
    target, gold = (_reference(seeds[0], label, everything) for label in ("target", "gold"))
    if target is None:
        return None
    first = seeds[0].manifest
    return RowRuns(
        [read.means(run) for run in seeds],
        read.means(target),
        None if gold is None else read.means(gold),
        MEMORY if first.measurable is None else first.measurable,
        label=f"{first.label} {first.settings}",
    )


def _against_target(seeds: Sequence[RunFolder], everything: Sequence[RunFolder], read: _Reader) -> AgainstTarget | None:
    target = _reference(seeds[0], "target", everything)
    if target is None or seeds[0].manifest.kind == "reference":
        return None
    return against_target([read.scores(run) for run in seeds], read.scores(target))


def flat(config: object, prefix: str = "") -> dict[str, object]:
    """Settings by dotted key, as `--set` takes them."""
    if not isinstance(config, dict):
        return {prefix: config} if prefix else {}
    found: dict[str, object] = {}
    for key, value in config.items():
        found |= flat(value, f"{prefix}.{key}" if prefix else key)
    return found


def _names(manifests: Sequence[RunManifest]) -> list[str]:
    """What tables call each row: its label, and where a table has the label several times, the settings that differ."""
    alike: dict[tuple[object, ...], list[dict[str, object]]] = defaultdict(list)
    for manifest in manifests:
        alike[(*_setting(manifest), manifest.label)].append(flat(manifest.config))
    found = []
    for manifest in manifests:
        others, mine = alike[(*_setting(manifest), manifest.label)], flat(manifest.config)
        keys = [key for key in mine if any(other.get(key) != mine[key] for other in others)]
        told = ", ".join(f"{key}={_as_yaml(mine[key])}" for key in keys)
        found.append(f"{manifest.label} ({told})" if told else manifest.label)
    return found


def _as_yaml(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _standing(row_runs: Row, draws: Mapping[str, np.ndarray], against: AgainstTarget | None) -> Standing:
    seeds = row_runs.runs
    intervals = {column: interval(values) for column, values in draws.items()}
    first = seeds[0].manifest
    vectors = [run.manifest.vector.model_dump() for run in seeds]
    columns: dict[str, Any] = {name: mean([vector[name] for vector in vectors]) for name in vectors[0]}
    costs = [run.manifest.cost for run in seeds] if first.kind != "reference" else []
    spent: dict[str, Any] = {name: mean([getattr(cost, name) for cost in costs]) for name in _COSTS}
    trained = mean([cost.trainable_params for cost in costs])
    overall = intervals.get("overall")
    row = LeaderboardRow(
        method=row_runs.name,
        fidelity=first.fidelity,
        model=first.model,
        task=first.task,
        forget_ratio=first.forget_ratio,
        seeds=len(seeds),
        **columns,
        fit_seconds=mean([cost.fit_seconds for cost in costs]),
        peak_memory_mb=mean([cost.peak_memory_mb for cost in costs]),
        trainable_params=None if trained is None else round(trained),
        **spent,
        run_id=first.run_id,
        version=first.version,
        precision=None if first.precision == "float32" else first.precision,
        overall_low=overall.low if overall else None,
        overall_high=overall.high if overall else None,
        config=first.settings[:12] or None,
        kind=RowKind(first.kind),
        gate=first.gate or None,
        selected_on=first.selected_on or None,
        settings=json.dumps(first.config, sort_keys=True) if first.config else None,
    )
    figures = {name: mean([run.manifest.figures.get(name) for run in seeds]) for name in first.figures}
    return Standing(
        row,
        tuple(run.manifest.seed for run in seeds),
        intervals,
        {name: value for name, value in figures.items() if value is not None},
        Evidence(draws.get("overall"), against),
    )


def _tested(found: Sequence[Standing]) -> list[Standing]:
    """The rows with what the tests of their table say."""
    tested = {id(standing): standing for standing in found}
    ordered = sorted(found, key=lambda standing: sort_key(standing.row))
    for _, group in groupby(ordered, key=lambda standing: table_key(standing.row)):
        methods = [standing for standing in group if standing.row.kind is not RowKind.REFERENCE]
        for standing, says in zip(methods, significance([method.evidence for method in methods]), strict=True):
            tested[id(standing)] = replace(standing, row=standing.row.model_copy(update=asdict(says)))
    return [tested[id(standing)] for standing in found]


def _reference(run: RunFolder, label: str, everything: Sequence[RunFolder]) -> RunFolder | None:
    """The reference that a run names, beside it if it is there; for a reference, its sibling."""
    named = {"target": run.manifest.target_run, "gold": run.manifest.gold_run}[label]
    if run.manifest.kind != "reference":
        fitting = [other for other in everything if other.manifest.run_id == named]
    else:
        fitting = [
            o for o in everything if o.manifest.label == label and _setting(o.manifest) == _setting(run.manifest)
        ]
    beside = [other for other in fitting if other.folder.parent == run.folder.parent]
    return next(iter([*beside, *fitting]), None)
