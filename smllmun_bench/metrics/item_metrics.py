"""Metrics of one prediction of one item, by name: what a task may list. Each is (Item, Prediction) -> number or None.

None means that the metric does not apply: no keywords, no options, no log-probabilities. A broken input, such as a
wrong number of option scores, is a `UserError` that names the item.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from smllmun_bench.errors import UserError
from smllmun_bench.metrics import compat, match, probability, states
from smllmun_bench.metrics.bleu import bleu as sentence_bleu
from smllmun_bench.metrics.choice import UNPARSED, Choice, choose_by_logprob, parse_choice, parse_yes_no, right_choices
from smllmun_bench.metrics.rouge import Rouge, rouge_l, rouge_n
from smllmun_bench.metrics.text import bare, words
from smllmun_bench.metrics.vqa.rules import RULES
from smllmun_bench.schema import Item, Kind, Prediction

ItemMetric = Callable[[Item, Prediction], float | None]


def generated(prediction: Prediction) -> bool:
    """Whether the model was asked to write: `none` with log-probabilities is an answer of another form, not silence."""
    measured = prediction.option_logprobs is not None or prediction.answer_logprobs is not None
    return bool(prediction.text) or prediction.finish_reason != "none" or not measured


def known_words(item: Item) -> str:
    """Everything the item spells, so that an odd name or a code in it counts as language."""
    return " \n ".join((item.question, item.answer, item.subject, *item.accepted, *item.choices, *item.keywords))


def key_fact(item: Item, prediction: Prediction) -> float | None:
    hit = match.key_fact(prediction.text, (item.answer, *item.accepted))
    if hit and states.broken_reason(prediction.text, known=known_words(item), question=item.question):
        return 0.0
    return hit


def exact(item: Item, prediction: Prediction) -> float | None:
    return match.exact(prediction.text, (item.answer, *item.accepted))


def _rouge(item: Item, prediction: Prediction) -> Rouge | None:
    return rouge_l(prediction.text, item.answer, stem=True) if words(item.answer) else None


def rouge_l_f1(item: Item, prediction: Prediction) -> float | None:
    found = _rouge(item, prediction)
    return found.f1 if found else None


def rouge_l_recall(item: Item, prediction: Prediction) -> float | None:
    found = _rouge(item, prediction)
    return found.recall if found else None


def rouge_l_precision(item: Item, prediction: Prediction) -> float | None:
    found = _rouge(item, prediction)
    return found.precision if found else None


def rouge_1_f1(item: Item, prediction: Prediction) -> float | None:
    return rouge_n(prediction.text, item.answer, 1, stem=True).f1 if words(item.answer) else None


def rouge_2_f1(item: Item, prediction: Prediction) -> float | None:
    return rouge_n(prediction.text, item.answer, 2, stem=True).f1 if words(item.answer) else None


def bleu(item: Item, prediction: Prediction) -> float | None:
    return sentence_bleu(prediction.text, item.answer) if item.answer.strip() else None


def keyword(item: Item, prediction: Prediction) -> float | None:
    return match.keyword_share(prediction.text, item.keywords) if item.keywords else None


def keyword_compat(item: Item, prediction: Prediction) -> float | None:
    return match.keyword_share(prediction.text, item.keywords, strict=False) if item.keywords else None


def cloze_strict(item: Item, prediction: Prediction) -> float | None:
    return max(match.cloze_strict(prediction.text, truth) for truth in (item.answer, *item.accepted))


def cloze_compat(item: Item, prediction: Prediction) -> float | None:
    return match.cloze_compat(prediction.text, item.answer)


def choice_logprob(item: Item, prediction: Prediction) -> float | None:
    if not item.choices or prediction.option_logprobs is None:
        return None
    return float(chosen_by_logprob(item, prediction) in _right(item))


def choice_text(item: Item, prediction: Prediction) -> float | None:
    return float(parse_choice(prediction.text, item.choices) in _right(item)) if item.choices else None


def choice_nearest(item: Item, prediction: Prediction) -> float | None:
    if not item.choices:
        return None
    chosen = compat.nearest_choice(prediction.text, item.choices)  # a text, as upstream: of twins either is right
    return float(isinstance(chosen, int) and item.choices[chosen] in {item.choices[i] for i in _right(item)})


def yesno(item: Item, prediction: Prediction) -> float | None:
    truth = bare(item.answer)
    return float(parse_yes_no(prediction.text) is (truth == "yes")) if truth in ("yes", "no") else None


def answer_probability(item: Item, prediction: Prediction) -> float | None:
    if prediction.answer_logprobs is None:
        return None
    if any(math.isnan(value) for value in prediction.answer_logprobs):
        return 0.0  # a model that gives NaN gives the answer no probability; its state is what shows it
    try:
        return probability.probability(prediction.answer_logprobs)
    except ValueError as fault:
        raise UserError(str(fault), where=f"answer_logprobs of item {item.item_id!r}") from fault


def meaningful(item: Item, prediction: Prediction) -> float | None:
    if not generated(prediction):
        return None
    known = known_words(item)
    if states.broken_reason(prediction.text, known=known, question=item.question):
        return 0.0
    return states.fluency(prediction.text, known=known)


def chosen_by_logprob(item: Item, prediction: Prediction) -> Choice:
    """The option of highest log-probability. Raises UserError unless there is one number per option."""
    options = prediction.option_logprobs or ()
    if len(options) != len(item.choices):
        raise UserError(
            f"{len(options)} option log-probabilities for {len(item.choices)} choices", where=f"item {item.item_id!r}"
        )
    return choose_by_logprob(options)


def unparsed(item: Item, prediction: Prediction) -> bool | None:
    """Whether no choice, or neither yes nor no, could be read; None for kinds that are not parsed."""
    if item.kind is Kind.CHOICE:
        if generated(prediction):
            return parse_choice(prediction.text, item.choices) is UNPARSED
        return prediction.option_logprobs is not None and chosen_by_logprob(item, prediction) is UNPARSED
    if item.kind is Kind.YESNO and generated(prediction):
        return parse_yes_no(prediction.text) is UNPARSED
    return None


def _right(item: Item) -> frozenset[int]:
    right = right_choices(item.answer, item.choices)
    if not right:
        raise UserError(
            f"answer {item.answer!r} is none of the choices",
            where=f"item {item.item_id!r}",
            fix="the text of a choice, or its letter",
        )
    return right


def _fact_told(item: Item, prediction: Prediction) -> float:
    return match.key_fact(prediction.text, (item.answer, *item.accepted), max_words=None)


def _blank_told(item: Item, prediction: Prediction) -> float:
    return max(match.cloze_strict(prediction.text, one, max_words=None) for one in (item.answer, *item.accepted))


# Metrics with a word limit, without it: what counts where the fact should be gone.
WITHOUT_LIMIT: Mapping[str, Callable[[Item, Prediction], float]] = MappingProxyType(
    {"key_fact": _fact_told, "cloze_strict": _blank_told}
)

ITEM_METRICS: Mapping[str, ItemMetric] = MappingProxyType(
    {
        "key_fact": key_fact,
        "exact": exact,
        "rouge_l_f1": rouge_l_f1,
        "rouge_l_recall": rouge_l_recall,
        "rouge_l_precision": rouge_l_precision,
        "rouge_1_f1": rouge_1_f1,
        "rouge_2_f1": rouge_2_f1,
        "bleu": bleu,
        "keyword": keyword,
        "keyword_compat": keyword_compat,
        "cloze_strict": cloze_strict,
        "cloze_compat": cloze_compat,
        "choice_logprob": choice_logprob,
        "choice_text": choice_text,
        "choice_nearest": choice_nearest,
        "yesno": yesno,
        "probability": answer_probability,
        "meaningful": meaningful,
        **RULES,
    }
)
