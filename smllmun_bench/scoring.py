"""(items, predictions) -> scores -> summary. Knows metrics, no model and no file.

A score is a function of the items and the predictions alone, and a summary of the scores alone; sums are exact
(`math.fsum`), so neither the order of the rows nor the machine changes a byte of `Summary.to_json`.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType

from smllmun_bench.errors import UserError, unknown
from smllmun_bench.metrics import aggregate, composites, item_metrics, statistics
from smllmun_bench.metrics.states import AnswerState, State, answer_state, mark_constant, strict_memory
from smllmun_bench.schema import Direction, Item, Kind, Modality, Prediction, Role, Score
from smllmun_bench.tasks import MetricPlan

# A task's `metrics`: headline and further metrics per kind of question.
TaskMetrics = Mapping[Kind, MetricPlan]
# Where a good unlearner moves a score, as a task has it; without a task, the memory of the forgotten goes down.
Directions = Mapping[Role, Mapping[Modality, Direction]]
ERASED: Directions = MappingProxyType({Role.FORGET: dict.fromkeys(Modality, Direction.DOWN)})
NOT_GENERATED = "not_generated"  # only the answer's log-probabilities were taken: nothing was said
UNDERSTANDING = (Role.UNDERSTANDING_FORGET, Role.UNDERSTANDING_RETAIN)
KEPT = (Role.RETAIN, *UNDERSTANDING, Role.GENERAL, Role.LANGUAGE)  # where declining to answer is a fault
MEMORY = ("forget_image", "forget_text")  # the columns that unlearning is to move
LARGEST_LOSS = 50.0  # nats per token; far beyond guessing, and still a number where a model computes none
SHOWN = 8  # names in an error message


@dataclass(frozen=True, slots=True)
class ColumnItems:
    """Which items a column of the table is the mean of. None: any."""

    roles: tuple[Role, ...]
    modality: Modality | None = None
    kind: Kind | None = None
    but: Kind | None = None

    def holds(self, score: Score) -> bool:
        asked = self.kind in (None, score.kind) and score.kind is not self.but
        return asked and score.role in self.roles and self.modality in (None, score.modality)


COLUMN_ITEMS: Mapping[str, ColumnItems] = MappingProxyType(
    {
        "forget_image": ColumnItems((Role.FORGET,), Modality.IMAGE_TEXT, Kind.OPEN),
        "forget_text": ColumnItems((Role.FORGET,), Modality.TEXT, Kind.OPEN),
        "retain_image": ColumnItems((Role.RETAIN,), Modality.IMAGE_TEXT, Kind.OPEN),
        "retain_text": ColumnItems((Role.RETAIN,), Modality.TEXT, Kind.OPEN),
        "understanding_forget": ColumnItems((Role.UNDERSTANDING_FORGET,)),
        "understanding_retain": ColumnItems((Role.UNDERSTANDING_RETAIN,)),
        "general_vqa": ColumnItems((Role.GENERAL,)),
        "language": ColumnItems((Role.LANGUAGE,), but=Kind.PASSAGE),
        "passages": ColumnItems((Role.LANGUAGE,), kind=Kind.PASSAGE),
    }
)


def identity(score: Score) -> str:
    """Whom an item is about; an item about nobody stands for itself."""
    return score.entity_id or f"item {score.item_id}"


def by_identity(scores: Iterable[Score]) -> dict[str, list[float]]:
    """Identity -> its headlines, items in the order of their ids: what `statistics.paired_difference` compares."""
    grouped: dict[str, list[float]] = {}
    for score in sorted(scores, key=lambda score: score.item_id):
        grouped.setdefault(identity(score), []).append(score.headline)
    return grouped


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

    A broken answer never looks like forgetting: where the task's `directions` say down, its headline is 1 (the metric
    itself stays in `values`). What is broken can depend on all answers: one string for everything is.

    Raises UserError for an unknown metric name and, naming the items, for duplicate or unknown item ids, for items
    without a prediction, and where an item's headline metric cannot be computed.
    """
    check_metrics(metrics)
    by_id = _matched(items, [p for p in predictions if p.attack == attack and p.sample == 0], attack)
    said = [by_id[item.item_id] for item in items]
    scores = [_score(item, answer, metrics) for item, answer in zip(items, said, strict=True)]
    return [_strict(score, directions) for score in _without_constants(items, said, scores)]


def _without_constants(items: Sequence[Item], said: Sequence[Prediction], scores: Sequence[Score]) -> list[Score]:
    """The scores with the states that `mark_constant` gives the written answers."""
    written = [n for n, answer in enumerate(said) if item_metrics.generated(answer)]
    marked = mark_constant(
        [AnswerState(State(scores[n].state)) for n in written],
        [said[n].text for n in written],
        [items[n].question for n in written],
        [(items[n].answer, *items[n].accepted) for n in written],
    )
    states = {n: found.state.value for n, found in zip(written, marked, strict=True)}
    return [replace(score, state=states.get(n, score.state)) for n, score in enumerate(scores)]


def _strict(score: Score, directions: Directions) -> Score:
    if score.state != State.BROKEN or directions.get(score.role, {}).get(score.modality) is not Direction.DOWN:
        return score
    return replace(score, headline=strict_memory(score.headline, State.BROKEN))


def _matched(items: Sequence[Item], predictions: Sequence[Prediction], attack: str) -> Mapping[str, Prediction]:
    known = [item.item_id for item in items]
    said = [prediction.item_id for prediction in predictions]
    where = "predictions" if attack == "none" else f"predictions of attack {attack!r}"
    for what, names, place, fix in (
        ("item id stands twice", _twice(known), "items", "give every item its own id"),
        ("item has more than one prediction", _twice(said), where, "keep one prediction per item and run"),
        ("prediction of an unknown item", sorted(set(said) - set(known)), where, "score with the task that was asked"),
        ("item has no prediction", sorted(set(known) - set(said)), where, "run the missing items, or finish the run"),
    ):
        if names:
            listed = ", ".join(repr(name) for name in names[:SHOWN]) + (" …" if len(names) > SHOWN else "")
            raise UserError(f"{what}: {listed} ({len(names)} in all)", where=place, fix=fix)
    return {prediction.item_id: prediction for prediction in predictions}


def _twice(names: Sequence[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _score(item: Item, prediction: Prediction, metrics: TaskMetrics) -> Score:
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
    return Score(
        item_id=item.item_id,
        entity_id=item.entity_id,
        role=item.role,
        modality=item.modality,
        kind=item.kind,
        state=_state(item, prediction),
        headline=values[plan.headline],
        values=values,
    )


def _state(item: Item, prediction: Prediction) -> str:
    if item_metrics.generated(prediction):
        return state_of(item, prediction).state.value
    if any(map(math.isnan, (*(prediction.answer_logprobs or ()), *(prediction.option_logprobs or ())))):
        return State.BROKEN.value
    chosen = item_metrics.choice_logprob(item, prediction)
    if chosen is None:
        return NOT_GENERATED
    return (State.CORRECT if chosen else State.WRONG).value


def state_of(item: Item, prediction: Prediction) -> AnswerState:
    """State and, for a broken answer, the reason."""
    return answer_state(
        prediction.text,
        kind=item.kind,
        answer=item.answer,
        accepted=item.accepted,
        choices=item.choices,
        keywords=item.keywords,
        question=item.question,
        finish_reason=prediction.finish_reason,
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """One role in one modality. Means are macro by identity; items without an identity count one by one.

    `states` counts answers: `correct + wrong + refusal + broken + not_generated = n`; `unparsed` is how many of them
    could not be read as a choice or as yes/no, whatever their state.
    """

    role: Role
    modality: Modality
    n: int
    identities: int
    headline: float
    by_kind: dict[str, float]
    metrics: dict[str, float]
    states: dict[str, int]


@dataclass(frozen=True, slots=True)
class ScoreVector:
    """The columns of the table, each in [0, 1] but for the loss, None where the task has no such items.

    Memory columns are open questions only; understanding, general and language columns every kind but passages; all
    are macro by identity. `passages` is the mean probability per token of the language part's passages,
    `language_loss` the same as a loss: the mean of −ln p over passages, in nats per token, at most `LARGEST_LOSS`.
    `meaningful` and the refusal rates are plain means over the written answers: refusals on forget memory, and
    over-refusals on retain memory, understanding, general and language questions. `broken` is over all answers,
    written or chosen.
    """

    forget_image: float | None
    forget_text: float | None
    retain_image: float | None
    retain_text: float | None
    understanding_forget: float | None
    understanding_retain: float | None
    general_vqa: float | None
    meaningful: float | None
    refusal_forget: float | None
    refusal_retain: float | None
    broken: float | None
    language: float | None = None
    passages: float | None = None
    language_loss: float | None = None


@dataclass(frozen=True, slots=True)
class PaperComposites:
    """The scalars of S-MLLMUn Bench from our columns, on the scale 0 to 1 (memory: −1 to 1)."""

    overall_understanding: float | None
    overall_memory: float | None
    overall_meaningful: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What the scores of one run come to."""

    cells: tuple[Cell, ...]
    vector: ScoreVector
    composites: PaperComposites

    def to_json(self) -> str:
        """Sorted keys, floats in full: the same scores give the same bytes."""
        return json.dumps(asdict(self), sort_keys=True, indent=1, allow_nan=False)


def summarise(scores: Sequence[Score]) -> Summary:
    """Cells by role and modality (in that order), the table's vector and the paper's composites."""
    groups: dict[tuple[Role, Modality], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.role, score.modality), []).append(score)
    cells = tuple(_cell(role, modality, groups[role, modality]) for role, modality in sorted(groups))
    vector = _vector(scores)
    return Summary(cells, vector, paper_composites(vector))


def paper_composites(vector: ScoreVector) -> PaperComposites:
    """The paper's formulas on our columns; memory is the mean over the modalities that were asked."""
    forget, retain = vector.understanding_forget, vector.understanding_retain
    pairs = ((vector.forget_image, vector.retain_image), (vector.forget_text, vector.retain_text))
    gaps = [(f, r) for f, r in pairs if f is not None and r is not None]
    return PaperComposites(
        None if forget is None or retain is None else composites.overall_understanding(forget, retain),
        composites.overall_memory(gaps) if gaps else None,
        vector.meaningful,
    )


def overall(
    unlearned: ScoreVector,
    target: ScoreVector,
    gold: ScoreVector | None,
    *,
    memory: Collection[str] = MEMORY,
    noise: float = 0.0,
    margin: float = 0.0,
) -> float | None:
    """The sorting scalar of `metrics.aggregate`: closeness to gold on memory, kept abilities, sanity.

    The abilities are memory of others, understanding, general questions and, where the task has the part, language.

    `memory` are the columns that the target had something to forget in (`gate.Gate.measurable`). None, undefined,
    without a gold model or where target and gold differ in none of them by more than `noise`. Raises UserError if the
    three vectors do not have the same columns.
    """
    if gold is None:
        return None
    _same_columns(unlearned, target, gold)
    forgotten = [_keep(unlearned, target, gold, (column,)) for column in MEMORY if column in memory]
    keeps = [_keep(unlearned, target, gold, columns) for columns in _ABILITIES]
    return aggregate.overall(
        [part for part in forgotten if part],
        [part for part in keeps if part],
        broken_unlearned=unlearned.broken or 0.0,
        broken_gold=gold.broken or 0.0,
        noise=noise,
        margin=margin,
    )


_ABILITIES = (
    ("retain_image", "retain_text"),
    ("understanding_forget", "understanding_retain"),
    ("general_vqa",),
    ("language",),
)


def _same_columns(*vectors: ScoreVector) -> None:
    for column in ScoreVector.__slots__:
        if len({getattr(vector, column) is None for vector in vectors}) > 1:
            raise UserError(
                f"column {column!r} is missing in some of the three models",
                fix="score the unlearned, target and gold model on the same items",
            )


def _keep(
    unlearned: ScoreVector, target: ScoreVector, gold: ScoreVector, columns: tuple[str, ...]
) -> aggregate.Keep | None:
    means = [_mean([getattr(vector, column) for column in columns]) for vector in (unlearned, target, gold)]
    present = [mean for mean in means if mean is not None]
    return aggregate.Keep(*present) if len(present) == len(means) else None


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present else None


def _macro(scores: Sequence[Score], values: Sequence[float]) -> float:
    return statistics.macro(values, [identity(score) for score in scores])


def _cell(role: Role, modality: Modality, scores: Sequence[Score]) -> Cell:
    counts = Counter(score.state for score in scores)
    kinds = sorted({score.kind for score in scores})
    names = sorted({name for score in scores for name in score.values})
    with_name = {name: [score for score in scores if name in score.values] for name in names}
    of_kind = {kind: [score for score in scores if score.kind is kind] for kind in kinds}
    return Cell(
        role=role,
        modality=modality,
        n=len(scores),
        identities=len({identity(score) for score in scores}),
        headline=_headline(scores),
        by_kind={kind.value: _headline(chosen) for kind, chosen in of_kind.items()},
        metrics={name: _macro(chosen, [s.values[name] for s in chosen]) for name, chosen in with_name.items()},
        states={state: counts[state] for state in (*(s.value for s in State), NOT_GENERATED)}
        | {"unparsed": sum(score.values.get("unparsed") == 1 for score in scores)},
    )


def passage_loss(probability: float) -> float:
    """−ln of the mean probability per token, in nats: the mean negative log-probability of the passage's tokens.

    >>> passage_loss(1.0), round(passage_loss(0.1), 3), passage_loss(0.0)
    (0.0, 2.303, 50.0)
    """
    return min(LARGEST_LOSS, abs(math.log(probability))) if probability > 0 else LARGEST_LOSS


def _headline(scores: Sequence[Score]) -> float:
    return _macro(scores, [score.headline for score in scores])


def _vector(scores: Sequence[Score]) -> ScoreVector:
    means: dict[str, float | None] = {}
    for column, of in COLUMN_ITEMS.items():
        chosen = [score for score in scores if of.holds(score)]
        means[column] = _headline(chosen) if chosen else None
    written = [score for score in scores if "meaningful" in score.values]
    passages = [score.headline for score in scores if COLUMN_ITEMS["passages"].holds(score)]
    return ScoreVector(
        **means,
        language_loss=_mean([passage_loss(headline) for headline in passages]),
        meaningful=_mean([score.values["meaningful"] for score in written]),
        refusal_forget=_mean([score.state == State.REFUSAL for score in written if score.role is Role.FORGET]),
        refusal_retain=_mean([score.state == State.REFUSAL for score in written if score.role in KEPT]),
        broken=_mean([score.state == State.BROKEN for score in scores if score.state != NOT_GENERATED]),
    )
