"""Run folders become rows of a table: runs that differ in their seed alone are one row.

Reads what `run` wrote; makes nothing and loads no model.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from smllmun_bench.metrics.statistics import (
    bootstrap_p,
    can_reject,
    holm,
    identity_differences,
    sign_flip_p,
    smallest_difference,
)
from smllmun_bench.report.leaderboard import LeaderboardRow, Noise, RowKind, sort_key, table_key
from smllmun_bench.results import manifest as manifests
from smllmun_bench.results.manifest import RunManifest
from smllmun_bench.results.run_folder import RunFolder, scores_of
from smllmun_bench.schema import Fold, Score
from smllmun_bench.scoring.columns import BY_NAME, MEMORY, by_identity
from smllmun_bench.scoring.intervals import Interval, interval, row_draws

REFERENCES = ("base", "target", "gold")
_COSTS = ("forwards", "backwards", "peak_device_mb", "extra_params", "inference_overhead")
LEVEL = 0.05  # of the paired tests, after Holm's correction


@dataclass(frozen=True, slots=True)
class Standing:
    """One row and what stands behind it: the seeds, an interval per column, the mean of each diagnostic figure."""

    row: LeaderboardRow
    seeds: tuple[int | None, ...]
    intervals: Mapping[str, Interval]
    figures: Mapping[str, float] = field(default_factory=dict)
    overall_draws: np.ndarray | None = field(default=None, repr=False, compare=False)
    people: int = 0  # over whom forgetting was tested


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A run that is in no row, and why."""

    run: RunFolder
    why: str


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
    done = [run for run in runs if run.manifest.status == "done"]
    out = [LeftOut(run, f"failed: {run.manifest.error}") for run in runs if run.manifest.status != "done"]
    groups: dict[tuple[object, ...], dict[int | None, RunFolder]] = defaultdict(dict)
    for run in sorted(done, key=lambda run: (run.folder / manifests.FILE).stat().st_mtime_ns):
        seeds = groups[_row_key(run.manifest)]
        older = seeds.get(run.manifest.seed)
        if older is not None:
            out.append(LeftOut(older, f"an older run of what {run.folder} holds"))
        seeds[run.manifest.seed] = run
    scores = cache(lambda folder: tuple(scores_of(next(run for run in done if run.folder == folder))))
    first = {run.folder: place for place, run in enumerate(runs)}
    ordered = sorted(groups.values(), key=lambda seeds: min(first[run.folder] for run in seeds.values()))
    return _tested([_standing(_by_seed(seeds), done, scores) for seeds in ordered]), out


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


def _standing(
    seeds: Sequence[RunFolder], everything: Sequence[RunFolder], scores: Callable[[Path], tuple[Score, ...]]
) -> Standing:
    draws = _draws(seeds, everything, scores)
    intervals = {column: interval(values) for column, values in draws.items()}
    first = seeds[0].manifest
    p_target, detectable, people = _against_target(seeds, everything, scores)
    vectors = [run.manifest.vector.model_dump() for run in seeds]
    columns: dict[str, Any] = {name: _mean([vector[name] for vector in vectors]) for name in vectors[0]}
    costs = [run.manifest.cost for run in seeds] if first.kind != "reference" else []
    spent: dict[str, Any] = {name: _mean([getattr(cost, name) for cost in costs]) for name in _COSTS}
    trained = _mean([cost.trainable_params for cost in costs])
    overall = intervals.get("overall")
    row = LeaderboardRow(
        method=first.label,
        fidelity=first.fidelity,
        model=first.model,
        task=first.task,
        forget_ratio=first.forget_ratio,
        seeds=len(seeds),
        **columns,
        fit_seconds=_mean([cost.fit_seconds for cost in costs]),
        peak_memory_mb=_mean([cost.peak_memory_mb for cost in costs]),
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
        p_target=p_target,
        detectable=detectable,
        selected_on=first.selected_on or None,
    )
    figures = {name: _mean([run.manifest.figures.get(name) for run in seeds]) for name in first.figures}
    return Standing(
        row,
        tuple(run.manifest.seed for run in seeds),
        intervals,
        {name: value for name, value in figures.items() if value is not None},
        draws.get("overall"),
        people,
    )


def _tested(found: Sequence[Standing]) -> list[Standing]:
    """The rows with their p values corrected within each table, and what lies within the noise named."""
    place = {id(standing.row): number for number, standing in enumerate(found)}
    tested = list(found)
    ordered = sorted(found, key=lambda standing: sort_key(standing.row))
    for _, group in groupby(ordered, key=lambda standing: table_key(standing.row)):
        methods = [standing for standing in group if standing.row.kind is not RowKind.REFERENCE]
        above = [_p_above(row, methods[n - 1]) if n else None for n, row in enumerate(methods)]
        p_above, p_target = _holm(above), _holm([standing.row.p_target for standing in methods])
        tests = sum(p is not None for p in p_target)
        for standing, higher, target in zip(methods, p_above, p_target, strict=True):
            able = can_reject(standing.people, tests, level=LEVEL)
            found_out = {
                "p_above": higher,
                "p_target": target,
                "within_noise": _noise(higher, target if able else None),
                "detectable": standing.row.detectable if able else None,
            }
            tested[place[id(standing.row)]] = replace(standing, row=standing.row.model_copy(update=found_out))
    return tested


def _p_above(lower: Standing, higher: Standing) -> float | None:
    if lower.overall_draws is None or higher.overall_draws is None:
        return None
    return bootstrap_p(higher.overall_draws - lower.overall_draws)


def _holm(p_values: Sequence[float | None]) -> list[float | None]:
    known = iter(holm([p for p in p_values if p is not None]))
    return [None if p is None else next(known) for p in p_values]


def _noise(p_above: float | None, p_target: float | None) -> Noise | None:
    if p_above is None and p_target is None:
        return None
    above, target = (p is not None and p > LEVEL for p in (p_above, p_target))
    return Noise.BOTH if above and target else Noise.ABOVE if above else Noise.TARGET if target else Noise.NONE


def _against_target(
    seeds: Sequence[RunFolder], everything: Sequence[RunFolder], scores: Callable[[Path], tuple[Score, ...]]
) -> tuple[float | None, float | None, int]:
    """p that nothing was forgotten, the smallest difference that one such test finds, and over how many people.

    None without a target.
    """
    target = _reference(seeds[0], "target", everything)
    if target is None or seeds[0].manifest.kind == "reference":
        return None, None, 0
    before = by_identity(filter(_memory, scores(target.folder)))
    each = [by_identity(filter(_memory, scores(run.folder))) for run in seeds]
    if not before or any(ours.keys() != before.keys() for ours in each):
        return None, None, 0
    differences = np.mean([identity_differences(ours, before) for ours in each], axis=0)
    people = len(differences)
    detectable = smallest_difference(float(differences.std(ddof=1)), people) if people > 1 else None
    return sign_flip_p(differences, seed=0), detectable, people


def _memory(score: Score) -> bool:
    return any(BY_NAME[column].value(score) is not None for column in MEMORY)


def _draws(
    seeds: Sequence[RunFolder], everything: Sequence[RunFolder], scores: Callable[[Path], tuple[Score, ...]]
) -> dict[str, np.ndarray]:
    """Nothing where the target's run is not at hand: there is nothing to draw with."""
    target, gold = (_reference(seeds[0], label, everything) for label in ("target", "gold"))
    if target is None:
        return {}
    ours = [scores(run.folder) for run in seeds]
    measurable = seeds[0].manifest.measurable
    memory = MEMORY if measurable is None else measurable
    return row_draws(ours, scores(target.folder), scores(gold.folder) if gold is not None else None, memory=memory)


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


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
