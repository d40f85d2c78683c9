"""Scores -> summary: cells, the vector of the table, scalars.

A summary is a function of the scores alone; sums are exact (`math.fsum`), so neither the order of the rows nor the
machine changes a byte of `Summary.to_json`.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from smllmun_bench.errors import UserError
from smllmun_bench.metrics import aggregate, composites, statistics
from smllmun_bench.metrics.states import State
from smllmun_bench.metrics.statistics import mean
from smllmun_bench.schema import Modality, Role, Score
from smllmun_bench.scoring.columns import (
    FORGET,
    MEANS,
    MEMORY,
    NOT_GENERATED,
    Column,
    Counted,
    counted,
    identity,
    parts,
)
from smllmun_bench.scoring.vectors import ScoreVector

Columns = Mapping[str, aggregate.Values | None]
"""Column -> its value in one model, or in each draw of it; None: the task has no such items."""


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
    vector = score_vector(scores)
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
    models = (asdict(vector) for vector in (unlearned, target, gold))
    value = float(overall_values(*models, memory=memory, noise=noise, margin=margin))
    return None if math.isnan(value) else value


def overall_values(
    unlearned: Columns,
    target: Columns,
    gold: Columns,
    *,
    memory: Collection[str] = MEMORY,
    noise: float = 0.0,
    margin: float = 0.0,
) -> np.ndarray:
    """`overall` of columns that hold a number or one for each draw; NaN: undefined. Raises UserError as `overall`."""
    models = (unlearned, target, gold)
    _same_columns(models)
    of = parts()
    forgotten = [_keep(models, (column,)) for column in of.pop(FORGET) if column in memory]
    keeps = [_keep(models, columns) for columns in of.values()]
    broken = [model["broken"] for model in (unlearned, gold)]
    return aggregate.overall_values(
        [part for part in forgotten if part],
        [part for part in keeps if part],
        broken_unlearned=0.0 if broken[0] is None else broken[0],
        broken_gold=0.0 if broken[1] is None else broken[1],
        noise=noise,
        margin=margin,
    )


def _same_columns(models: Sequence[Columns]) -> None:
    for column in (column.name for column in MEANS):
        if len({model[column] is None for model in models}) > 1:
            raise UserError(
                f"column {column!r} is missing in some of the three models",
                fix="score the unlearned, target and gold model on the same items",
            )


def _keep(models: Sequence[Columns], columns: Sequence[str]) -> aggregate.Keep | None:
    """The mean of the columns that the task has, for each model; None where it has none of them."""
    known = [[value for column in columns if (value := model[column]) is not None] for model in models]
    return aggregate.Keep(*(sum(values) / len(values) for values in known)) if all(known) else None


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


def _headline(scores: Sequence[Score]) -> float:
    return _macro(scores, [score.headline for score in scores])


def score_vector(scores: Sequence[Score]) -> ScoreVector:
    """The columns alone: what `summarise` puts into `Summary.vector`."""
    return column_means(counted(scores))


def column_means(found: Counted) -> ScoreVector:
    """The columns, each from the items that count in it (`columns.counted`)."""
    return ScoreVector(**{column.name: _column(column, *found.get(column.name, ((), ()))) for column in MEANS})


def _column(column: Column, scores: Sequence[Score], values: Sequence[float]) -> float | None:
    return _macro(scores, values) if values and column.by_identity else mean(values)
