"""How much of some facts does one model remember? Every metric there is, pointing one way: higher = remembers more."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smllmun_bench.metrics import mia, probability
from smllmun_bench.metrics.bleu import bleu
from smllmun_bench.metrics.item_metrics import ITEM_METRICS
from smllmun_bench.metrics.rouge import rouge_n
from smllmun_bench.metrics.text import words
from smllmun_bench.schema import Item, Kind, Prediction
from smllmun_bench.stages.predicting import predict_items, question_of
from smllmun_bench.tasks import TaskSpec

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm

ROWS = 64  # answers in one forward pass

TEXT_METRICS: Mapping[str, Callable[[Item, Prediction], float]] = {
    "bleu": lambda item, said: bleu(said.text, item.answer),
    "rouge_1_recall": lambda item, said: rouge_n(said.text, item.answer, 1, stem=True).recall,
    "length": lambda item, said: float(len(words(said.text))),  # a control: knows nothing of facts
}


@dataclass(frozen=True, slots=True)
class Weighed:
    """One teacher-forced answer: per token, EOS last, log p; whether it was the most likely token; μ and σ of log p
    under the whole next-token distribution."""

    logp: tuple[float, ...]
    hit: tuple[bool, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def remembered(
    vlm: "Vlm", items: Sequence[Item], others: Sequence[Item], task: TaskSpec, *, batch_size: int = 64
) -> dict[str, float]:
    """Metric -> its mean over `items`; membership attacks as AUC of the items against `others`, whom no model met.

    `items` and `others` are evaluation items of one form. Metrics that apply to none of the items are left out.
    """
    predictions = predict_items(vlm, items, task, run_id="-", batch_size=batch_size)
    pairs = list(zip(items, predictions, strict=True))
    values: dict[str, list[float]] = {}
    for name, metric in ITEM_METRICS.items():
        found = [metric(item, said) for item, said in pairs]
        values[name] = [value for value in found if value is not None]
    open_pairs = [(item, said) for item, said in pairs if item.kind is Kind.OPEN]
    for name, of_text in TEXT_METRICS.items():
        values[name] = [of_text(item, said) for item, said in open_pairs]
    values |= _of_weights(vlm, [item for item, _ in open_pairs], task)
    means = {name: math.fsum(found) / len(found) for name, found in values.items() if found}
    return means | _membership(vlm, [item for item, _ in open_pairs], others, task)


def weigh(vlm: "Vlm", pairs: Sequence[tuple[Item, str]], task: TaskSpec) -> list[Weighed]:
    """Each answer after its item's question."""
    import torch

    from smllmun_bench.models.vlm import Query

    result: list[Weighed] = []
    for at in range(0, len(pairs), ROWS):
        chunk = pairs[at : at + ROWS]
        with torch.inference_mode():
            scores = vlm.score_answers(
                [vlm.encode(Query(question_of(item, task), item.images), answer) for item, answer in chunk]
            )
            full = scores.logits.double().log_softmax(-1)
            mean = (full.exp() * full).sum(-1)
            deviation = (full.exp() * (full - mean[:, None]) ** 2).sum(-1).sqrt()
            hit = scores.logp.double() >= full.max(-1).values - 1e-6
        columns = (scores.logp.double().tolist(), hit.tolist(), mean.tolist(), deviation.tolist())
        rows: list[list[tuple[float, bool, float, float]]] = [[] for _ in chunk]
        for owner, *figures in zip(scores.owner.tolist(), *columns, strict=True):
            rows[owner].append((figures[0], figures[1], figures[2], figures[3]))
        result += [Weighed(*(tuple(part) for part in zip(*row, strict=True))) for row in rows]
    return result


def _of_weights(vlm: "Vlm", items: Sequence[Item], task: TaskSpec) -> dict[str, list[float]]:
    told = [item for item in items if item.perturbed_answers]
    right = weigh(vlm, [(item, item.answer) for item in told], task)
    wrong = iter(weigh(vlm, [(item, text) for item in told for text in item.perturbed_answers], task))
    shares = []
    for item, answer in zip(told, right, strict=True):
        against = [probability.probability(next(wrong).logp) for _ in item.perturbed_answers]
        shares.append(probability.truth_share(probability.probability(answer.logp), against))
    extracted = [probability.extraction_strength(answer.hit[:-1]) for answer in right]  # without EOS
    memorised = [probability.exact_memorisation(answer.hit[:-1]) for answer in right]
    return {
        "truth_share": shares,
        "extraction_strength": [value for value in extracted if value is not None],
        "exact_memorisation": [value for value in memorised if value is not None],
    }


def _membership(vlm: "Vlm", items: Sequence[Item], others: Sequence[Item], task: TaskSpec) -> dict[str, float]:
    asked = [item for item in others if item.kind is Kind.OPEN]
    if not asked or not items:
        return {}
    found = [_attacks(answer, item) for item, answer in _answers(vlm, items, task)]
    strangers = [_attacks(answer, item) for item, answer in _answers(vlm, asked, task)]
    return {name: mia.auc([row[name] for row in found], [row[name] for row in strangers]) for name in found[0]}


def _answers(vlm: "Vlm", items: Sequence[Item], task: TaskSpec) -> list[tuple[Item, Weighed]]:
    return list(zip(items, weigh(vlm, [(item, item.answer) for item in items], task), strict=True))


def _attacks(answer: Weighed, item: Item) -> dict[str, float]:
    return {
        "mia_loss": -mia.loss(answer.logp),
        "mia_zlib": -mia.zlib_ratio(answer.logp, item.answer),
        "mia_min_k": mia.min_k(answer.logp),
        "mia_min_k_plus_plus": mia.min_k_plus_plus(answer.logp, answer.mean, answer.deviation),
    }
