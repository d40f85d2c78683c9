"""(items, predictions) -> scores: what each answer is worth.

A score is a function of the items and the predictions alone.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from smllmun_bench.errors import UserError, unknown
from smllmun_bench.metrics import item_metrics
from smllmun_bench.metrics.match import MAX_WORDS
from smllmun_bench.metrics.matching import matched
from smllmun_bench.metrics.states import AnswerState, State, answer_state, is_correct, mark_constant, strict_memory
from smllmun_bench.schema import Direction, Item, Kind, Modality, Prediction, Role, Score
from smllmun_bench.scoring.columns import NOT_GENERATED
from smllmun_bench.tasks import MetricPlan

# A task's `metrics`: headline and further metrics per kind of question.
TaskMetrics = Mapping[Kind, MetricPlan]
# Where a good unlearner moves a score, as a task has it; without a task, the memory of the forgotten goes down.
Directions = Mapping[Role, Mapping[Modality, Direction]]
ERASED: Directions = MappingProxyType({Role.FORGET: dict.fromkeys(Modality, Direction.DOWN)})


def check_metrics(metrics: TaskMetrics, *, where: str = "") -> None:
    """Raise the `unknown` error for the first metric name that is not in `item_metrics.ITEM_METRICS`."""
    for plan in metrics.values():
        for name in plan.names:
            if name not in item_metrics.ITEM_METRICS:
                raise unknown("metric", name, item_metrics.ITEM_METRICS, where=where)


def score_items(
    items: Sequence[Item],
    predictions: Iterable[Prediction],
    metrics: TaskMetrics,
    *,
    directions: Directions = ERASED,
    attack: str = "none",
) -> list[Score]:
    """One score per item, in the order of the items, from the predictions of one attack (`sample` 0).

    Neither a broken answer nor a long one looks like forgetting: where the task's `directions` say down, the headline
    of a broken answer is 1, and so is that of one that tells the fact after more words than `match.MAX_WORDS` (the
    metric itself stays in `values`). What is broken can depend on all answers: one string for everything is.

    Raises UserError for an unknown metric name and, naming the items, for duplicate or unknown item ids, for items
    without a prediction, and where an item's headline metric cannot be computed.
    """
    check_metrics(metrics)
    by_id = matched(items, predictions, attack=attack)
    said = [by_id[item.item_id] for item in items]
    scores = [
        _score(item, answer, metrics, erased=_is_erased(item, directions))
        for item, answer in zip(items, said, strict=True)
    ]
    return [_strict(score, directions) for score in _without_constants(items, said, scores)]


def _without_constants(items: Sequence[Item], said: Sequence[Prediction], scores: Sequence[Score]) -> list[Score]:
    """The scores with the states that `mark_constant` gives the written answers."""
    written = [n for n, answer in enumerate(said) if item_metrics.generated(answer)]
    marked = mark_constant(
        [AnswerState(State(scores[n].state)) for n in written],
        [said[n].text for n in written],
        [items[n].question for n in written],
        [(items[n].answer, *items[n].accepted) for n in written],
        is_right=lambda place, text: _would_be_right(items[written[place]], text),
    )
    states = {n: found.state.value for n, found in zip(written, marked, strict=True)}
    return [replace(score, state=states.get(n, score.state)) for n, score in enumerate(scores)]


def _would_be_right(item: Item, text: str) -> bool:
    """By what is read in it: "A", "(A)." and the text of option A are one answer to a choice."""
    return is_correct(
        text,
        kind=item.kind,
        answer=item.answer,
        accepted=item.accepted,
        choices=item.choices,
        keywords=item.keywords,
    )


def _is_erased(one: Item | Score, directions: Directions) -> bool:
    return directions.get(one.role, {}).get(one.modality) is Direction.DOWN


def _strict(score: Score, directions: Directions) -> Score:
    if score.state != State.BROKEN or not _is_erased(score, directions):
        return score
    return replace(score, headline=strict_memory(score.headline, State.BROKEN))


def _score(item: Item, prediction: Prediction, metrics: TaskMetrics, *, erased: bool) -> Score:
    plan = metrics.get(item.kind)
    if plan is None:
        raise UserError(f"no metric for kind {item.kind.value!r}", where=f"item {item.item_id!r}", fix="list one")
    found = {name: item_metrics.ITEM_METRICS[name](item, prediction) for name in (*plan.names, "meaningful")}
    values = {name: value for name, value in found.items() if value is not None}
    if plan.headline not in values:
        raise UserError(
            f"headline metric {plan.headline!r} cannot be computed",
            where=f"item {item.item_id!r}",
            fix="another metric for this kind, or a run that records what it needs",
        )
    unparsed = item_metrics.unparsed(item, prediction)
    if unparsed is not None:
        values["unparsed"] = float(unparsed)
    headline = item_metrics.WITHOUT_LIMIT.get(plan.headline) if erased else None
    return Score(
        item_id=item.item_id,
        entity_id=item.entity_id,
        role=item.role,
        modality=item.modality,
        kind=item.kind,
        state=_state(item, prediction, max_words=None if erased else MAX_WORDS),
        headline=headline(item, prediction) if headline else values[plan.headline],
        values=values,
    )


def _state(item: Item, prediction: Prediction, *, max_words: int | None) -> str:
    if item_metrics.generated(prediction):
        return state_of(item, prediction, max_words=max_words).state.value
    if any(map(math.isnan, (*(prediction.answer_logprobs or ()), *(prediction.option_logprobs or ())))):
        return State.BROKEN.value
    chosen = item_metrics.choice_logprob(item, prediction)
    if chosen is None:
        return NOT_GENERATED
    return (State.CORRECT if chosen else State.WRONG).value


def state_of(item: Item, prediction: Prediction, *, max_words: int | None = MAX_WORDS) -> AnswerState:
    """State and, for a broken answer, the reason; `max_words` is None where the fact should be gone."""
    return answer_state(
        prediction.text,
        kind=item.kind,
        answer=item.answer,
        accepted=item.accepted,
        choices=item.choices,
        keywords=item.keywords,
        question=item.question,
        finish_reason=prediction.finish_reason,
        max_words=max_words,
    )
