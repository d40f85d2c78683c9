"""Who gives what away under which attack: target, gold and the unlearned models get the same, and only what exceeds
gold is residual memory. Persons are the unit; p values are corrected by Holm over the whole table."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from smllmun_bench import stages
from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, NotApplicable
from smllmun_bench.errors import RunFailed, UserError
from smllmun_bench.metrics.statistics import (
    ByIdentity,
    holm,
    identity_differences,
    paired_difference,
    smallest_difference,
)
from smllmun_bench.stages import Attacked, AttackSetup, References, RunContext, Subject
from smllmun_bench.stages.method_recipes import Chosen


@dataclass(frozen=True, slots=True)
class Row:
    """One point of one attack on one model. `target`, `gold`, `known`: macro means over people of what came back.

    `excess` is known − gold with its 95 % interval (people drawn again), `p` of the sign-flip test, `p_holm` over the
    table, `smallest` the excess that one such test finds in four of five tries. Where an attack means nothing all of
    them are None and `reason` says why.
    """

    attack: str
    point: str
    label: str
    seed: int | None
    people: int = 0
    items: int = 0
    target: float | None = None
    gold: float | None = None
    known: float | None = None
    excess: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    smallest: float | None = None
    reason: str = ""


def subjects(context: RunContext, references: References, chosen: Sequence[tuple[Chosen, int]]) -> list[Subject]:
    """Unlearned models, made where they are not in the store yet. Raises RunFailed where training fails."""
    return [
        Subject(
            choice.label,
            seed,
            references.target,
            stages.unlearn(context, references.target, choice.method, choice.config, seed),
        )
        for choice, seed in chosen
    ]


def attack(
    context: RunContext, references: References, attacks: Sequence[tuple[Any, AttackConfig]], models: Sequence[Subject]
) -> Iterator[Row]:
    """Every attack on every model, row by row as they come; `corrected` adds what takes the whole table.

    Raises UserError where there is nothing that could be attacked, or no gold model to hold it against.
    """
    data = stages.attack_data(context, stages.questions(context))
    if not data.items:
        raise UserError(
            f"task {context.task.name!r} has no open questions about forgotten people",
            where="--task",
            fix="a task that forgets, or a larger --limit",
        )
    if references.gold is None:
        raise UserError("an attack is held against gold, and there is none", where="--gold", fix="--gold FOLDER")
    target = Subject("target", None, references.target, None)
    gold = Subject("gold", None, references.gold, None)
    for one, config in attacks:
        setup = AttackSetup(context, data, one, config, references)
        why = lacking(one.needs, context, data)
        base = {} if why else {subject.label: _attacked(setup, subject) for subject in (target, gold)}
        for subject in models:
            yield from _rows(one.name, subject, why or _attacked(setup, subject), base, data)


def corrected(rows: Sequence[Row]) -> list[Row]:
    """The rows with p values corrected over all of them (Holm 1979)."""
    adjusted = iter(holm([row.p for row in rows if row.p is not None]))
    return [replace(row, p_holm=next(adjusted)) if row.p is not None else row for row in rows]


def lacking(needs: AttackNeeds, context: RunContext, data: AttackData) -> str:
    """Why the attack means nothing on this task; nothing: it does."""
    if needs.photos and not any(data.photos.values()):
        return f"task {context.task.name!r} has no second photo of anybody"
    return ""


def _attacked(setup: AttackSetup, subject: Subject) -> Attacked | str:
    """What the model gave away, or why the attack means nothing for it; the other attacks go on."""
    try:
        return stages.attack(setup, subject)
    except (NotApplicable, RunFailed, UserError) as reason:
        return str(reason)


def _rows(
    name: str, subject: Subject, ours: Attacked | str, base: Mapping[str, Attacked | str], data: AttackData
) -> Iterator[Row]:
    references = [base.get("target", ""), base.get("gold", "")]
    why = next((found for found in (ours, *references) if isinstance(found, str)), None)
    if why is not None:
        yield Row(name, "", subject.label, subject.seed, reason=why)
        return
    assert isinstance(ours, Attacked)
    target, gold = (found for found in references if isinstance(found, Attacked))
    asked = (*data.general_rows, *data.others, *data.items)
    people = {item.item_id: item.entity_id or f"item {item.item_id}" for item in asked}
    for point, values in ours.values.items():
        mine, theirs, before = (_by_person(part, people) for part in (values, gold.values[point], target.values[point]))
        found = paired_difference(mine, theirs)
        spread = identity_differences(mine, theirs)
        yield Row(
            name,
            point,
            subject.label,
            subject.seed,
            len(mine),
            len(values),
            _macro(before),
            _macro(theirs),
            _macro(mine),
            found.mean,
            found.low,
            found.high,
            found.p,
            smallest=smallest_difference(float(spread.std(ddof=1)), len(spread)) if len(spread) > 1 else None,
        )


def _by_person(values: Mapping[str, float], people: Mapping[str, str]) -> ByIdentity:
    grouped: dict[str, list[float]] = {}
    for item_id in sorted(values):
        grouped.setdefault(people[item_id], []).append(values[item_id])
    return grouped


def _macro(values: ByIdentity) -> float:
    return math.fsum(math.fsum(row) / len(row) for row in values.values()) / len(values)
