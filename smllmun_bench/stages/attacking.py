"""Attacking: what a model gives away under one attack, as a stage; target and gold are attacked alike."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from smllmun_bench.attacks.base import (
    AttackConfig,
    AttackData,
    AttackNeeds,
    Checked,
    Combining,
    Curve,
    Elicitation,
    NotApplicable,
    Probe,
    Selective,
    Summarised,
    Try,
    WeightAttack,
)
from smllmun_bench.data.seeding import stable_int
from smllmun_bench.data.source import Split, digest_of, item_lines
from smllmun_bench.metrics.item_metrics import WITHOUT_LIMIT
from smllmun_bench.metrics.states import State
from smllmun_bench.models.answering import Draw
from smllmun_bench.results.predictions import PREDICTIONS, read_predictions, write_predictions
from smllmun_bench.schema import Item, Kind, Prediction, Role, Score
from smllmun_bench.scoring.items import score_items
from smllmun_bench.stages.backends import answering, kind_of
from smllmun_bench.stages.building import References
from smllmun_bench.stages.context import VERSIONS, RunContext, change_digest, named
from smllmun_bench.stages.loader import ModelRef
from smllmun_bench.stages.predicting import Questions, predict_items
from smllmun_bench.store.store import Request, StoredStage
from smllmun_bench.tasks import ChoiceHandling, MetricPlan, TaskSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from smllmun_bench.models.vlm import Vlm

FIGURES, TRIES = "figures.json", "tries.jsonl"
PLANS = {  # how an answer to another kind of question is read, where the task has no such questions
    Kind.OPEN: MetricPlan(headline="key_fact"),
    Kind.CHOICE: MetricPlan(headline="choice_logprob"),
    Kind.CLOZE: MetricPlan(headline="cloze_strict"),
    Kind.YESNO: MetricPlan(headline="yesno"),
}


@dataclass(frozen=True, slots=True)
class Attacked:
    """What one model gave away under one attack.

    `values`: point of the curve (nothing: there is one alone) -> item id -> how much of it came back, in [0, 1]; of
    several tries the strongest. `tries` and `predictions` are what was asked and answered, in the same order.
    """

    stored: StoredStage
    values: Curve
    tries: tuple[Try, ...] = ()
    predictions: tuple[Prediction, ...] = ()


def attack_data(context: RunContext, asked: Questions, seed: int = 0) -> AttackData:
    """What every attack of this run is given: open memory questions and training rows of the context's fold."""
    items = [item for item in asked.items if item.kind is Kind.OPEN]
    data, fold = context.data, context.fold
    further = getattr(data.benchmark, "further_photos", None)
    forgotten = [item for item in items if item.role is Role.FORGET]
    return AttackData(
        forgotten,
        [item for item in items if item.role is Role.RETAIN],
        data.training(Split.FORGET_TRAIN, fold),
        data.training(Split.RETAIN_TRAIN, fold),
        data.general_training(),
        data,
        {ref: tuple(further(ref)) for item in forgotten for ref in item.images} if further is not None else {},
        seed,
    )


@dataclass(frozen=True, slots=True)
class AttackSetup:
    """One attack with all that it is given: the same for every model under it."""

    context: RunContext
    data: AttackData
    attack: Any
    config: AttackConfig
    references: References


@dataclass(frozen=True, slots=True)
class Subject:
    """A model under attack: `model` with what one method and seed left, or as it is."""

    label: str
    seed: int | None
    model: ModelRef
    artifact: StoredStage | None

    @property
    def name(self) -> str:
        return self.label if self.seed is None else f"{self.label}, seed {self.seed}"


def attack(setup: AttackSetup, subject: Subject) -> Attacked:
    """Attack one model, with an artifact mounted or without. Raises NotApplicable with the reason."""
    subject = replace(subject, artifact=attackable(setup.attack.needs, subject.artifact))
    fill = _fill(setup.attack)
    request = Request("attack", VERSIONS["attack"], _inputs(setup, subject))
    told = named(setup.context, f"{setup.attack.name}, {subject.name}")
    stored = setup.context.store.get_or_make(request, lambda folder: fill(setup, subject, folder), on_event=told)
    return _read(stored, attack_task(setup.context.task), setup.attack, setup.config)


def attackable(needs: AttackNeeds, artifact: StoredStage | None) -> StoredStage | None:
    """What stays mounted under the attack. Raises NotApplicable where the artifact does not allow it."""
    if artifact is None:
        return None
    kind = kind_of(artifact)
    if needs.weights and kind in ("hooks", "gate"):
        raise NotApplicable("the method leaves the weights as they are and acts while the model answers")
    if needs.removable:
        if kind == "delta":
            raise NotApplicable("the method's change is in the weights themselves: nothing comes off")
        return None
    return artifact


def attack_task(task: TaskSpec) -> TaskSpec:
    """The task with every kind of question that an attack may ask; options are weighed where it does not say."""
    choice = task.choice or ChoiceHandling(listed=False, answer="logprob")
    return task.model_copy(update={"choice": choice, "metrics": {**PLANS, **task.metrics}})


def _inputs(setup: AttackSetup, subject: Subject) -> Mapping[str, Any]:
    """Everything that the stage depends on."""
    context, data = setup.context, setup.data
    rows = (data.items, data.others, data.forget_rows, data.retain_rows, data.general_rows)
    inputs = {
        "model": subject.model.digest,
        "artifact": change_digest(subject.artifact) if subject.artifact is not None else None,
        "attack": setup.attack.name,
        "version": getattr(setup.attack, "version", 1),
        "config": setup.config.model_dump(mode="json"),
        "data": [digest_of(context.data.benchmark.image_digest, *item_lines(part)) for part in rows],
        "photos": digest_of(json.dumps(data.photos, sort_keys=True, default=list)),
        "seed": data.seed,
        "generation": context.task.generation.model_dump(mode="json"),
        "choice": attack_task(context.task).choice.model_dump(mode="json"),  # type: ignore[union-attr]
        **context.numerics(context.asking),
    }
    if setup.attack.needs.references:
        inputs["references"] = {known: ref.digest for known, ref in setup.references.named().items()}
    return inputs


Fill = Callable[[AttackSetup, Subject, Path], None]


def _fill(attack: Any) -> Fill:
    """The function that fills the stage's folder, by what kind of attack it is."""
    if isinstance(attack, Elicitation):
        return _elicit
    if isinstance(attack, WeightAttack):
        return _change
    if isinstance(attack, Probe):
        return _probe
    raise TypeError(f"the attack {attack.name!r} neither elicits, changes nor reads")


def _elicit(setup: AttackSetup, subject: Subject, folder: Path) -> None:
    context, data, chosen = setup.context, setup.data, setup.attack
    task = attack_task(context.task)
    tries = tuple(chosen.tries(data, setup.config))
    with _watched(setup, subject, len(tries)) as advance, _mounted(context, subject.model, subject.artifact) as vlm:
        ask = partial(ask_tries, vlm, task=task, attack=chosen.name, seed=data.seed, batch_size=context.batch_size)
        if isinstance(chosen, Checked):
            chosen.check(lambda some: worth(some, ask(some), task), data, setup.config)
        predictions = ask(tries, on_done=advance)
    _write(folder, tries, predictions, {"": range(len(tries))})


def _change(setup: AttackSetup, subject: Subject, folder: Path) -> None:
    context, data, chosen = setup.context, setup.data, setup.attack
    task = attack_task(context.task)
    tries: list[Try] = []
    predictions: list[Prediction] = []
    points: dict[str, range] = {}
    asked = chosen.asked(data, setup.config) if isinstance(chosen, Selective) else data.items
    plain = [Try(item) for item in asked]
    with _watched(setup, subject, 0) as advance, _mounted(context, subject.model, subject.artifact) as vlm:
        for point, more in chosen.changes(vlm, data, setup.config):
            with more.mounted(vlm):
                found = ask_tries(vlm, plain, task, chosen.name, batch_size=context.batch_size, on_done=advance)
            points[point] = range(len(tries), len(tries) + len(plain))
            tries += plain
            predictions += found
    _write(folder, tries, predictions, points)


def _probe(setup: AttackSetup, subject: Subject, folder: Path) -> None:
    context, data = setup.context, setup.data
    with _watched(setup, subject, len(data.items)):
        with _mounted(context, subject.model, subject.artifact) as vlm:
            found = setup.attack.read(vlm, data, setup.config)
        del vlm  # one model at a time

        def reference(name: str) -> "AbstractContextManager[Vlm]":
            return _mounted(context, setup.references.named()[name], None)

        figures = setup.attack.figures(found, reference, data, setup.config)
    (folder / FIGURES).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _watched(setup: AttackSetup, subject: Subject, total: int) -> Any:
    return setup.context.watch(f"attacking {subject.name}: {setup.attack.name}", total)


@contextmanager
def _mounted(context: RunContext, model: ModelRef, artifact: StoredStage | None) -> "Iterator[Vlm]":
    with answering(context.asking, model, artifact, "transformers", 1) as vlm:
        yield vlm  # type: ignore[misc]


def ask_tries(
    vlm: Any,
    tries: Sequence[Try],
    task: TaskSpec,
    attack: str,
    *,
    batch_size: int,
    seed: int = 0,
    on_done: Callable[[int], None] = lambda n: None,
) -> list[Prediction]:
    """One prediction for each try, in their order; `sample` counts the tries of an item.

    What is drawn depends on the seed, the item and the number of the try alone. Perturbed answers are not weighed but
    where the task's headline takes them: an attack may ask a hundred times.
    """
    apart = [replace(_lean(one.item, task), item_id=f"{number}") for number, one in enumerate(tries)]
    begun = {f"{number}": one.prefill for number, one in enumerate(tries) if one.prefill}
    samples = _counted([one.item.item_id for one in tries])
    draws = {
        f"{number}": Draw(one.temperature, one.top_p, stable_int("draw", seed, one.item.item_id, sample))
        for number, (one, sample) in enumerate(zip(tries, samples, strict=True))
        if one.temperature > 0
    }
    found = predict_items(
        vlm, apart, task, run_id="-", batch_size=batch_size, on_done=on_done, prefills=begun, draws=draws
    )
    return [
        replace(prediction, item_id=one.item.item_id, attack=attack, sample=sample)
        for one, prediction, sample in zip(tries, found, samples, strict=True)
    ]


def _lean(item: Item, task: TaskSpec) -> Item:
    weighed = item.kind is not Kind.OPEN or task.metrics[Kind.OPEN].headline not in WITHOUT_LIMIT
    return item if weighed else replace(item, perturbed_answers=())


def _counted(names: Sequence[str]) -> list[int]:
    """How many of the same name stand before each."""
    seen: Counter[str] = Counter()
    before = []
    for name in names:
        before.append(seen[name])
        seen[name] += 1
    return before


def _write(folder: Path, tries: Sequence[Try], predictions: Sequence[Prediction], points: Mapping[str, range]) -> None:
    write_predictions(folder / PREDICTIONS, predictions)
    lines = []
    for point, numbers in points.items():
        for number in numbers:
            one = tries[number]
            lines.append(json.dumps({"point": point, **asdict(one)}, ensure_ascii=False, sort_keys=True))
    (folder / TRIES).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _read(stored: StoredStage, task: TaskSpec, chosen: Any, config: AttackConfig) -> Attacked:
    if (stored.path / FIGURES).is_file():
        return Attacked(stored, json.loads((stored.path / FIGURES).read_text(encoding="utf-8")))
    predictions = tuple(read_predictions(stored.path / PREDICTIONS))
    rows = [json.loads(line) for line in (stored.path / TRIES).read_text(encoding="utf-8").splitlines()]
    tries = tuple(_try(row) for row in rows)
    points = [row["point"] for row in rows]
    values = by_item(tries, worth(tries, predictions, task), points, chosen, config)
    further = chosen.summary(values, config) if isinstance(chosen, Summarised) else {}
    return Attacked(stored, {**values, **further}, tries, predictions)


def by_item(
    tries: Sequence[Try], found: Sequence[float], points: Sequence[str], chosen: Any, config: AttackConfig
) -> dict[str, dict[str, float]]:
    """Point -> item id -> what came back in all tries of the item at that point."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number, (one, point) in enumerate(zip(tries, points, strict=True)):
        groups.setdefault((point, one.item.item_id), []).append(number)
    values: dict[str, dict[str, float]] = {}
    for (point, item_id), numbers in groups.items():
        some = [found[number] for number in numbers]
        if isinstance(chosen, Combining):
            figures = chosen.combined([tries[number] for number in numbers], some, config)
        else:
            figures = {point: max(some)}
        for name, figure in figures.items():
            values.setdefault(name, {})[item_id] = figure
    return values


def worth(tries: Sequence[Try], predictions: Sequence[Prediction], task: TaskSpec) -> list[float]:
    """What each answer gives away, in [0, 1]: the headline of its kind, as the task scores the forgotten.

    With one difference: a broken answer gives away what stands in it. In a table it must not look like forgetting; as
    the strongest of many tries, gibberish would look like knowledge, and gold's hide the excess over gold.
    """
    apart = [replace(one.item, item_id=f"{number}") for number, one in enumerate(tries)]
    said = [replace(p, item_id=f"{number}", attack="none", sample=0) for number, p in enumerate(predictions)]
    scores = score_items(apart, said, task.metrics, directions=task.direction)
    return [
        _told(score, item, prediction, task) if score.state == State.BROKEN else score.headline
        for score, item, prediction in zip(scores, apart, said, strict=True)
    ]


def _told(score: Score, item: Item, prediction: Prediction, task: TaskSpec) -> float:
    name = task.metrics[item.kind].headline
    without_limit = WITHOUT_LIMIT.get(name)
    return without_limit(item, prediction) if without_limit else score.values[name]


def _try(row: Mapping[str, Any]) -> Try:
    item = TypeAdapter(Item).validate_python(row["item"])
    return Try(item, row["prefill"], row["temperature"], row["top_p"])
