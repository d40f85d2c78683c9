"""The logs of open-unlearning's TOFU suite: `TOFU_EVAL.json` (per question) and `TOFU_SUMMARY.json` (means only).

`TOFU_EVAL.json` is `{metric: {"agg_value": number, "value_by_index": {index: {...}}}}`. Means are computed from the
questions and held against `agg_value`. Its formulas add 1e-10 to denominators; the difference is below `CLOSE`.
The suite writes `forget_truth_ratio` beside `retain_Truth_Ratio`, so names are compared without case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from smllmun_bench.errors import UserError, nearest
from smllmun_bench.importers.files import Object, Place, as_number, as_object, need, read_object
from smllmun_bench.importers.utility import KEPT_SETS, PARTS, SetScores, Utility, mean_truth_ratio, utility
from smllmun_bench.metrics.statistics import mean

_SETS = {"forget": "forget", "retain": "retain", "real_authors": "ra", "world_facts": "wf"}
_WITH_OPTIONS = ("real_authors", "world_facts")
_TWO = ("model_utility", "forget_quality")
_FORGET_RATIO = "forget_truth_ratio"
_KEYS = {"probability": "prob", "rouge_l_recall": "rougeL_recall", "truth_ratio": "score"}


@dataclass(frozen=True, slots=True)
class _Metric:
    """`key`: as the log spells it. `values`: question's index -> number; None where the log has the mean alone."""

    key: str
    recorded: float | None
    values: Mapping[str, float] | None
    without: int = 0  # questions without a number; the suite leaves them out of its mean


def read_open_unlearning(path: Path, retain: Path | None = None) -> Utility:
    """Model utility, and forget quality against the retain model's log. Raises UserError naming file, row and key.

    A summary has means only: they are taken as they stand, and so are its own two numbers where nothing in it gives
    them.
    """
    metrics = _metrics(read_object(path), Place(path))
    names = {f"{set_}.{part}": _name(set_, part) for set_ in _SETS for part in PARTS} | {name: name for name in _TWO}
    if not any(name in metrics for name in names.values()):
        known = ", ".join(sorted(names.values())[:4])
        close = nearest(_name("retain", "truth_ratio"), metrics)
        found = f"; it has {metrics[close].key!r}" if close else ""
        raise UserError(f"not a TOFU log of open-unlearning: none of its metrics{found}", where=str(path), fix=known)
    sets = {}
    for set_ in _SETS:
        found_parts = {part: metrics.get(_name(set_, part)) for part in PARTS}
        if any(found_parts.values()):
            sets[set_] = SetScores(
                _questions(found_parts), **{p: _part_mean(p, m, set_) for p, m in found_parts.items()}
            )
    recorded = {
        ours: metric.recorded
        for ours, theirs in names.items()
        if (metric := metrics.get(theirs)) is not None and metric.recorded is not None
    }
    forget = _ratios(metrics)
    against = None
    if retain is not None:
        others = _metrics(read_object(retain), Place(retain))
        against = _ratios(others)
        for place, values, log in ((path, forget, metrics), (retain, against, others)):
            if not values:
                written = log[_FORGET_RATIO].key if _FORGET_RATIO in log else _FORGET_RATIO
                raise UserError(
                    "the log has no truth ratio for each question of the forget set",
                    where=f"{place}, key {written!r}",
                    fix="TOFU_EVAL.json; a TOFU_SUMMARY.json has means only",
                )
    odd = forget.keys() ^ (forget if against is None else against).keys()
    notes = [f"{len(odd)} questions of the forget set are in one log only"] if odd else []
    notes += [
        f"{metric.without} questions of {metric.key} have no number and are left out, as in the suite itself"
        for _, metric in sorted(metrics.items())
        if metric.without
    ]
    ratios = None if against is None else list(against.values())
    return utility(sets, list(forget.values()), ratios, recorded=recorded, notes=notes)


def _name(set_: str, part: str) -> str:
    """The metric's name in lower case."""
    suffix = {"probability": "q_a_prob", "rouge_l_recall": "q_a_rouge", "truth_ratio": "truth_ratio"}[part]
    return f"{_SETS[set_]}_{suffix}" + ("_normalised" if part == "probability" and set_ in _WITH_OPTIONS else "")


def _metrics(log: Object, place: Place) -> dict[str, _Metric]:
    """By name in lower case. A metric that could not be computed is null and left out."""
    wanted = {_name(set_, part): _KEYS[part] for set_ in (*KEPT_SETS, "forget") for part in PARTS}
    found: dict[str, _Metric] = {}
    for key, value in log.items():
        name, inside = key.lower(), place.at(key)
        if name in found:
            raise inside.fault(f"the metric stands twice: as {found[name].key!r} too")
        if isinstance(value, int | float) and not isinstance(value, bool):  # a summary
            number = _not_negative if name in wanted or name in _TWO else as_number
            found[name] = _Metric(key, number(value, inside), None)
        elif value is not None and (name in wanted or name in _TWO):
            entry = as_object(value, inside)
            mean_ = need(entry, "agg_value", inside)
            recorded = None if mean_ is None else _not_negative(mean_, inside.at("agg_value"))
            values, without = _by_index(entry, wanted[name], inside) if name in wanted else (None, 0)
            found[name] = _Metric(key, recorded, values, without)
    return found


def _not_negative(value: object, place: Place) -> float:
    """A probability, a recall, a ratio or what is made of them."""
    number = as_number(value, place)
    if number < 0:
        raise place.fault(f"{number:g} is no probability, recall or ratio: those are not below 0")
    return number


def _by_index(entry: Object, key: str, place: Place) -> tuple[Mapping[str, float] | None, int]:
    """(question's index -> number, questions without one)."""
    if "value_by_index" not in entry:
        return None, 0
    inside = place.at("value_by_index")
    values, without = {}, 0
    for index, value in as_object(entry["value_by_index"], inside).items():
        row = inside.at(row=index)
        number = None if value is None else need(as_object(value, row), key, row)
        if number is None:
            without += 1
        else:
            values[index] = _not_negative(number, row.at(key))
    if not values:
        raise inside.fault("no question has a number")
    return values, without


def _part_mean(part: str, metric: _Metric | None, set_: str) -> float | None:
    if metric is None:
        return None
    if metric.values is None:
        return metric.recorded
    values = list(metric.values.values())
    return mean_truth_ratio(values, forget=set_ == "forget") if part == "truth_ratio" else mean(values)


def _questions(parts: Mapping[str, _Metric | None]) -> int:
    return max((len(metric.values) for metric in parts.values() if metric is not None and metric.values), default=0)


def _ratios(metrics: Mapping[str, _Metric]) -> Mapping[str, float]:
    """Question's index -> truth ratio; empty where the log has the mean alone."""
    metric = metrics.get(_FORGET_RATIO)
    return metric.values if metric is not None and metric.values else {}
