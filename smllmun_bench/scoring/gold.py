"""How far a model is from gold, item by item: the same questions to both, and nothing else decides.

Headlines say whether the answers agree in what they are worth; truth ratios say whether the models believe the same.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from smllmun_bench.metrics.aggregate import closeness
from smllmun_bench.metrics.distribution import jensen_shannon, ks_two_sample
from smllmun_bench.metrics.statistics import macro
from smllmun_bench.schema import Prediction, Score
from smllmun_bench.scoring.columns import COLUMNS, MEMORY, Column, Gated, identity


@dataclass(frozen=True, slots=True)
class ToGold:
    """One memory column. None: undefined (nothing to forget there, or the run holds no log-probabilities).

    `distance` and `target_distance` are macro means over items of |headline − gold's headline|, for the model and for
    the untouched target. `closeness` is that of `metrics.aggregate`, of forget columns only. `ks_d`, `ks_p` and `js`
    compare the truth ratios of the `truth_n` items that have them in both models: p falls with n, so it never
    compares across ratios; JS is the base-2 divergence of p(right) / (p(right) + p(wrong)) in 50 equal bins.
    """

    column: str
    n: int
    distance: float
    target_distance: float
    closeness: float | None
    truth_n: int
    ks_d: float | None
    ks_p: float | None
    js: float | None


@dataclass(frozen=True, slots=True)
class Answers:
    """What one model made of the items: scores and predictions."""

    scores: Sequence[Score]
    predictions: Sequence[Prediction]


def log_truth_ratio(prediction: Prediction) -> float | None:
    """log r of one answer, r = geometric mean of p(wrong) / p(right), each p length-normalised (EOS included).

    `right` is the reference answer, in whose form the wrong ones are written; TOFU takes a paraphrase of it. None
    without the log-probabilities of right and wrong answers, or where one of them is no number.
    """
    right, wrong = prediction.answer_logprobs, prediction.perturbed_logprobs
    if not right or not wrong:
        return None
    value = math.fsum(wrong) / len(wrong) - math.fsum(right) / len(right)
    return value if math.isfinite(value) else None


def share(log_ratio: float) -> float:
    """1 / (1 + r): the truth ratio as a share in [0, 1], 1 = knows the right answer; no r is too large for it.

    >>> share(0.0), round(share(-1.609438), 3)
    (0.5, 0.833)
    """
    return (1 - math.tanh(log_ratio / 2)) / 2


def to_gold(
    ours: Answers, target: Answers, gold: Answers, *, measurable: Collection[str] = MEMORY
) -> tuple[ToGold, ...]:
    """Every memory column that has items. `measurable` as in `gate.Gate`. Raises ValueError for different items."""
    memories = (column for column in COLUMNS if column.gate in (Gated.MEMORY, Gated.RETAINED))
    found = (_column(column, ours, target, gold, column.name in measurable) for column in memories)
    return tuple(column for column in found if column is not None)


def _column(column: Column, ours: Answers, target: Answers, gold: Answers, measurable: bool) -> ToGold | None:
    parts = [_scores(answers, column) for answers in (ours, target, gold)]
    if len({frozenset(part) for part in parts}) > 1:
        raise ValueError(f"{column.name}: the models were asked different items")
    mine, before, ideal = parts
    if not mine:
        return None
    order = sorted(mine)
    people = [identity(mine[item]) for item in order]
    means = [macro([part[item].headline for item in order], people) for part in parts]
    ratios, wanted = (_ratios(answers, order) for answers in (ours, gold))
    both = [item for item in order if item in ratios and item in wanted]
    ks = ks_two_sample([ratios[item] for item in both], [wanted[item] for item in both]) if both else None
    return ToGold(
        column.name,
        len(order),
        macro([abs(mine[item].headline - ideal[item].headline) for item in order], people),
        macro([abs(before[item].headline - ideal[item].headline) for item in order], people),
        closeness(*means) if measurable else None,
        len(both),
        ks.d if ks else None,
        ks.p if ks else None,
        jensen_shannon(*([share(part[item]) for item in both] for part in (ratios, wanted))) if both else None,
    )


def _scores(answers: Answers, column: Column) -> dict[str, Score]:
    return {score.item_id: score for score in answers.scores if column.value(score) is not None}


def _ratios(answers: Answers, items: Collection[str]) -> Mapping[str, float]:
    wanted = set(items)
    found = {p.item_id: log_truth_ratio(p) for p in answers.predictions if p.item_id in wanted}
    return {item: value for item, value in found.items() if value is not None}
