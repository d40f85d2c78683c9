"""How much of some facts does one model remember? Every metric there is, pointing one way: higher = remembers more."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from smllmun_bench.metrics import mia, probability
from smllmun_bench.metrics.bleu import bleu
from smllmun_bench.metrics.item_metrics import ITEM_METRICS
from smllmun_bench.metrics.rouge import rouge_n
from smllmun_bench.metrics.text import words
from smllmun_bench.schema import Item, Kind, Prediction
from smllmun_bench.scoring.gold import share
from smllmun_bench.stages.predicting import predict_items, query_of
from smllmun_bench.tasks import TaskSpec

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm

ROWS = 64  # answers in one forward pass

TEXT_METRICS: Mapping[str, Callable[[Item, Prediction], float]] = {
    "bleu": lambda item, prediction: bleu(prediction.text, item.answer),
    "rouge_1_recall": lambda item, prediction: rouge_n(prediction.text, item.answer, 1, stem=True).recall,
    "length": lambda item, prediction: float(len(words(prediction.text))),  # a control: knows nothing of facts
}


@dataclass(frozen=True, slots=True)
class TeacherForcedScores:
    """One teacher-forced answer: per token, EOS last, log p; whether it was the most likely token; μ and σ of log p
    under the whole next-token distribution."""

    logp: tuple[float, ...]
    hit: tuple[bool, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def memorisation(
    vlm: "Vlm", items: Sequence[Item], nonmembers: Sequence[Item], task: TaskSpec, *, batch_size: int = 64
) -> dict[str, float]:
    """Metric -> its mean over `items`; membership attacks as AUC of the items against `nonmembers`, whom no model met.

    `items` and `nonmembers` are evaluation items of one form. Metrics that apply to none of the items are left out.
    """
    predictions = predict_items(vlm, items, task, run_id="-", batch_size=batch_size)
    pairs = list(zip(items, predictions, strict=True))
    values: dict[str, list[float]] = {}
    for name, metric in ITEM_METRICS.items():
        found = [metric(item, prediction) for item, prediction in pairs]
        values[name] = [value for value in found if value is not None]
    open_pairs = [(item, prediction) for item, prediction in pairs if item.kind is Kind.OPEN]
    for name, of_text in TEXT_METRICS.items():
        values[name] = [of_text(item, prediction) for item, prediction in open_pairs]
    values |= _of_log_probabilities(vlm, [item for item, _ in open_pairs], task)
    means = {name: math.fsum(found) / len(found) for name, found in values.items() if found}
    return means | _membership(vlm, [item for item, _ in open_pairs], nonmembers, task)


def teacher_forced(vlm: "Vlm", pairs: Sequence[tuple[Item, str]], task: TaskSpec) -> list[TeacherForcedScores]:
    """Each answer after its item's question, scored token by token."""
    import torch

    result: list[TeacherForcedScores] = []
    for at in range(0, len(pairs), ROWS):
        chunk = pairs[at : at + ROWS]
        with torch.inference_mode():
            scores = vlm.score_pairs([(query_of(item, task), answer) for item, answer in chunk])
            full = scores.logits.double().log_softmax(-1)
            mean = (full.exp() * full).sum(-1)
            deviation = (full.exp() * (full - mean[:, None]) ** 2).sum(-1).sqrt()
            hit = scores.logp.double() >= full.max(-1).values - 1e-6
        columns = (scores.logp.double().tolist(), hit.tolist(), mean.tolist(), deviation.tolist())
        rows: list[list[tuple[float, bool, float, float]]] = [[] for _ in chunk]
        for owner, *figures in zip(scores.owner.tolist(), *columns, strict=True):
            rows[owner].append((figures[0], figures[1], figures[2], figures[3]))
        result += [TeacherForcedScores(*(tuple(part) for part in zip(*row, strict=True))) for row in rows]
    return result


def _of_log_probabilities(vlm: "Vlm", items: Sequence[Item], task: TaskSpec) -> dict[str, list[float]]:
    perturbed = [item for item in items if item.perturbed_answers]
    right = teacher_forced(vlm, [(item, item.answer) for item in perturbed], task)
    wrong = iter(teacher_forced(vlm, [(item, text) for item in perturbed for text in item.perturbed_answers], task))
    shares = []
    for item, answer in zip(perturbed, right, strict=True):
        against = [fmean(next(wrong).logp) for _ in item.perturbed_answers]
        shares.append(share(probability.log_truth_ratio(fmean(answer.logp), against)))
    extracted = [probability.extraction_strength(answer.hit[:-1]) for answer in right]  # without EOS
    memorised = [probability.exact_memorisation(answer.hit[:-1]) for answer in right]
    return {
        "truth_share": shares,
        "extraction_strength": [value for value in extracted if value is not None],
        "exact_memorisation": [value for value in memorised if value is not None],
    }


def _membership(vlm: "Vlm", items: Sequence[Item], nonmembers: Sequence[Item], task: TaskSpec) -> dict[str, float]:
    outside = [item for item in nonmembers if item.kind is Kind.OPEN]
    if not outside or not items:
        return {}
    found = [_attacks(answer, item) for item, answer in _answers(vlm, items, task)]
    absent = [_attacks(answer, item) for item, answer in _answers(vlm, outside, task)]
    return {name: mia.auc([row[name] for row in found], [row[name] for row in absent]) for name in found[0]}


def _answers(vlm: "Vlm", items: Sequence[Item], task: TaskSpec) -> list[tuple[Item, TeacherForcedScores]]:
    return list(zip(items, teacher_forced(vlm, [(item, item.answer) for item in items], task), strict=True))


def _attacks(answer: TeacherForcedScores, item: Item) -> dict[str, float]:
    return {
        "mia_loss": -mia.loss(answer.logp),
        "mia_zlib": -mia.zlib_ratio(answer.logp, item.answer),
        "mia_min_k": mia.min_k(answer.logp),
        "mia_min_k_plus_plus": mia.min_k_plus_plus(answer.logp, answer.mean, answer.deviation),
    }
