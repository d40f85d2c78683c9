"""What composites are made of: one model's answers, counted as other benchmarks count them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from smllmun_bench.metrics import item_metrics
from smllmun_bench.metrics.composites import Recall
from smllmun_bench.metrics.item_metrics import ItemMetric
from smllmun_bench.metrics.statistics import mean
from smllmun_bench.schema import Item, Kind, Modality, Prediction, Role
from smllmun_bench.scoring.gold import log_truth_ratio
from smllmun_bench.scoring.items import TaskMetrics, score_items
from smllmun_bench.scoring.summary import Summary, summarise


@dataclass(frozen=True, slots=True)
class Evidence:
    """`summary` is ours; `forget` and `retain` are counted by the rules of others (composites.Recall).

    `modalities`: (forget, retain) of the questions of each modality that both have, text first.
    """

    summary: Summary
    forget: Recall
    retain: Recall
    modalities: tuple[tuple[Recall, Recall], ...]

    @property
    def general(self) -> float | None:
        return self.summary.vector.general_vqa


def evidence(items: Sequence[Item], predictions: Sequence[Prediction], metrics: TaskMetrics) -> Evidence:
    """Raises UserError as `scoring.score_items`."""
    summary = summarise(score_items(items, predictions, metrics))
    by_id = {prediction.item_id: prediction for prediction in predictions}
    groups = [[(i, by_id[i.item_id]) for i in items if i.role is role] for role in (Role.FORGET, Role.RETAIN)]
    forget, retain = (_recall(group) for group in groups)
    parts = [[[(i, p) for i, p in group if i.modality is modality] for group in groups] for modality in Modality]
    pairs = tuple((_recall(of_forget), _recall(of_retain)) for of_forget, of_retain in parts if of_forget and of_retain)
    return Evidence(summary, forget, retain, pairs)


def _recall(group: Sequence[tuple[Item, Prediction]]) -> Recall:
    ratios = (log_truth_ratio(prediction) for _, prediction in group)
    known = tuple(ratio for ratio in ratios if ratio is not None)
    return Recall(
        choice=_metric(group, {Kind.CHOICE}, _chosen),
        cloze=_metric(group, {Kind.CLOZE}, item_metrics.cloze_compat),
        rouge_f=_metric(group, {Kind.OPEN}, item_metrics.rouge_l_f1),
        rouge_recall=_metric(group, {Kind.OPEN}, item_metrics.rouge_l_recall),
        contained=_metric(group, {Kind.OPEN}, item_metrics.cloze_compat),
        probability=_metric(group, {Kind.OPEN}, item_metrics.answer_probability),
        log_ratios=known,
        log_ratios_of_two=known,  # a run weighs one right answer: it stands for both
        pairs_right=tuple((bool(a), bool(b)) for a, b in _pairs(group, Kind.CHOICE, _chosen)),
        pairs_rouge=tuple(_pairs(group, Kind.OPEN, item_metrics.rouge_l_f1)),
    )


def _chosen(item: Item, prediction: Prediction) -> float | None:
    if prediction.option_logprobs is not None:
        return item_metrics.choice_logprob(item, prediction)
    return item_metrics.choice_text(item, prediction)


def _metric(group: Sequence[tuple[Item, Prediction]], kinds: Collection[Kind], metric: ItemMetric) -> float | None:
    return mean(metric(item, prediction) for item, prediction in group if item.kind in kinds)


def _pairs(group: Sequence[tuple[Item, Prediction]], kind: Kind, metric: ItemMetric) -> list[tuple[float, float]]:
    """(text, image) of every fact that was asked both ways."""
    ways: dict[str, dict[Modality, float]] = {}
    for item, prediction in group:
        value = metric(item, prediction) if item.kind is kind and item.pair_id else None
        if value is not None:
            ways.setdefault(item.pair_id, {})[item.modality] = value
    return [(w[Modality.TEXT], w[Modality.IMAGE_TEXT]) for w in ways.values() if len(w) == len(Modality)]
