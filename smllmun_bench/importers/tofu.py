"""The evaluation logs of TOFU (locuslab/tofu): `eval_log_aggregated.json`, a folder of its parts, or one part.

A part is an object of statistics, each `{question's index: number}`; losses are means per token. Numbers are those of
its `aggregate_eval_stat.py`: the truth ratio takes the geometric mean over the wrong answers. (TOFU's `utils.py`,
which holds functions of the same names, takes the arithmetic mean for the utility: `mean="arithmetic"`.)
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from smllmun_bench.errors import UserError
from smllmun_bench.importers.files import Object, Place, as_number, as_object, need, read_object
from smllmun_bench.importers.utility import SetScores, Utility, utility
from smllmun_bench.metrics.probability import Mean, forget_of_log, log_truth_ratio, retain_of_log
from smllmun_bench.metrics.statistics import mean as mean_of

FILES = {
    "eval_log_forget.json": "forget",
    "eval_log.json": "retain",
    "eval_real_author_wo_options.json": "real_authors",
    "eval_real_world_wo_options.json": "world_facts",
}
_WITH_OPTIONS = ("real_authors", "world_facts")  # there the probability is normalised over right and wrong answers
_MOST = 700.0  # exp of more is no float
_HARMLESS = 1e-6  # a loss may be this far below 0 by rounding

Parts = Mapping[str, tuple[Object, Place]]
T = TypeVar("T")


def read_tofu(path: Path, retain: Path | None = None, *, mean: Mean = "geometric") -> Utility:
    """Model utility, and forget quality against the retain model's log. Raises UserError naming file, row and key.

    Without `retain` there is no forget quality, without all of the other three sets no model utility: None, not 0.
    """
    parts = _parts(path)
    sets = {name: _scores(name, part, place, mean) for name, (part, place) in parts.items()}
    # The published test is over the ratios of geometric means, whatever the utility takes.
    ratios = _forget_log_ratios(parts, path) if "forget" in parts else {}
    against = _forget_log_ratios(_parts(retain), retain) if retain is not None else None
    if against is not None and not ratios:
        raise UserError("the log has no forget set to compare", where=str(path), fix="eval_log_aggregated.json")
    notes = []
    if against is not None and ratios.keys() != against.keys():
        notes.append(f"{len(ratios.keys() ^ against.keys())} questions of the forget set are in one log only")
    return utility(sets, list(ratios.values()), None if against is None else list(against.values()), notes=notes)


def _parts(path: Path) -> Parts:
    if path.is_dir():
        found = {name: path / file for file, name in FILES.items() if (path / file).is_file()}
        if not found:
            raise UserError("no evaluation log of TOFU in this folder", where=str(path), fix=", ".join(FILES))
        return {name: (read_object(file), Place(file)) for name, file in found.items()}
    whole = read_object(path)
    if any(file in whole for file in FILES):
        inside = {name: file for file, name in FILES.items() if file in whole}
        return {n: (as_object(whole[file], Place(path, file)), Place(path, file)) for n, file in inside.items()}
    if path.name in FILES:
        return {FILES[path.name]: (whole, Place(path))}
    raise UserError(
        "not a log of TOFU: neither its name nor its keys are those of one",
        where=str(path),
        fix="keys (or a file name) among " + ", ".join(FILES),
    )


def _forget_log_ratios(parts: Parts, path: Path) -> dict[str, float]:
    if "forget" not in parts:
        raise UserError("the log has no forget set", where=str(path), fix="one with 'eval_log_forget.json'")
    return _log_ratios(*parts["forget"], "geometric")


def _scores(name: str, part: Object, place: Place, mean: Mean) -> SetScores:
    right = _by_index(part, "avg_gt_loss", place, _loss)
    rouge = _by_index(part, "rougeL_recall", place, _share)
    if name in _WITH_OPTIONS:
        wrong = _by_index(part, "average_perturb_loss", place, _losses)
        _same_questions(part, ("avg_gt_loss", "average_perturb_loss"), place)
        chances = [_normalised(right[index], wrong[index]) for index in right]
    else:
        chances = [math.exp(-loss) for loss in right.values()]
    statistic = forget_of_log if name == "forget" else retain_of_log
    return SetScores(
        n=len(right),
        probability=mean_of(chances),
        rouge_l_recall=mean_of(list(rouge.values())),
        truth_ratio=mean_of([statistic(one) for one in _log_ratios(part, place, mean).values()]),
    )


def _normalised(right: float, wrong: tuple[float, ...]) -> float:
    """p(right) / (p(right) + Σ p(wrong)), free of underflow."""
    return 1 / (1 + math.fsum(math.exp(min(_MOST, right - loss)) for loss in wrong))


def _log_ratios(part: Object, place: Place, mean: Mean) -> dict[str, float]:
    right = _by_index(part, "avg_paraphrased_loss", place, _loss)
    wrong = _by_index(part, "average_perturb_loss", place, _losses)
    _same_questions(part, ("avg_paraphrased_loss", "average_perturb_loss"), place)
    return {index: log_truth_ratio(-right[index], [-loss for loss in wrong[index]], mean=mean) for index in right}


def _by_index(part: Object, key: str, place: Place, read: Callable[[object, Place], T]) -> dict[str, T]:
    values = need(part, key, place)
    inside = place.at(key)
    if isinstance(values, list):  # logs of before June 2024
        values = {str(index): value for index, value in enumerate(values)}
    entries = as_object(values, inside)
    if not entries:
        raise inside.fault("no question at all")
    return {index: read(value, inside.at(row=index)) for index, value in entries.items()}


def _same_questions(part: Object, keys: tuple[str, str], place: Place) -> None:
    first, second = (set(map(str, range(len(part[key])) if isinstance(part[key], list) else part[key])) for key in keys)
    odd = sorted(first ^ second)
    if odd:
        raise place.at(keys[0], row=odd[0]).fault(
            f"{len(odd)} questions are in only one of {keys[0]!r} and {keys[1]!r}", "evaluate again"
        )


def _loss(value: object, place: Place) -> float:
    loss = as_number(value, place)
    if loss < -_HARMLESS:
        raise place.fault(f"{loss:g} is no mean loss of an answer: those are not below 0")
    return loss


def _losses(value: object, place: Place) -> tuple[float, ...]:
    if not isinstance(value, list) or not value:
        raise place.fault("expected a list of losses, one per wrong answer")
    return tuple(_loss(loss, place) for loss in value)


def _share(value: object, place: Place) -> float:
    share = as_number(value, place)
    if not 0 <= share <= 1 + _HARMLESS:
        raise place.fault(f"{share:g} is no recall: those are between 0 and 1")
    return share
