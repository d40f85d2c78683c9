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


def attack(
    context: RunContext,
    data: AttackData,
    chosen: Any,
    config: AttackConfig,
    model: ModelRef,
    artifact: StoredStage | None,
    references: References,
    name: str,
) -> Attacked:
    """Attack one model, with an artifact mounted or without. Raises NotApplicable with the reason."""
    task = attack_task(context.task)
    artifact = attackable(chosen.needs, artifact)
    make = _maker(context, task, data, chosen, config, model, artifact, references, name)
    request = Request("attack", VERSIONS["attack"], _inputs(context, data, chosen, config, model, artifact, references))
    stored = context.store.get_or_make(request, make, on_event=named(context, f"{chosen.name}, {name}"))
    return _read(stored, task, chosen, config)


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


def _inputs(
    context: RunContext,
    data: AttackData,
    chosen: Any,
    config: AttackConfig,
    model: ModelRef,
    artifact: StoredStage | None,
    references: References,
) -> Mapping[str, Any]:
    rows = (data.items, data.others, data.forget_rows, data.retain_rows, data.general_rows)
    inputs = {
        "model": model.digest,
        "artifact": change_digest(artifact) if artifact is not None else None,
        "attack": chosen.name,
        "version": getattr(chosen, "version", 1),
        "config": config.model_dump(mode="json"),
        "data": [digest_of(context.data.benchmark.image_digest, *item_lines(part)) for part in rows],
        "photos": digest_of(json.dumps(data.photos, sort_keys=True, default=list)),
        "seed": data.seed,
        "generation": context.task.generation.model_dump(mode="json"),
        "choice": attack_task(context.task).choice.model_dump(mode="json"),  # type: ignore[union-attr]
        **context.numerics(context.asking),
    }
    if chosen.needs.references:
        inputs["references"] = {known: ref.digest for known, ref in references.named().items()}
    return inputs


Make = Callable[[Path], None]


def _maker(
    context: RunContext,
    task: TaskSpec,
    data: AttackData,
    chosen: Any,
    config: AttackConfig,
    model: ModelRef,
    artifact: StoredStage | None,
    references: References,
    name: str,
) -> Make:
    """The function that fills the stage's folder, by what kind of attack it is."""
    what = f"attacking {name}: {chosen.name}"

    @contextmanager
    def mounted() -> "Iterator[Vlm]":
        with answering(context.asking, model, artifact, "transformers", 1) as vlm:
            yield vlm  # type: ignore[misc]

    def elicit(folder: Path) -> None:
        tries = tuple(chosen.tries(data, config))
        with context.watch(what, len(tries)) as advance, mounted() as vlm:
            ask = partial(ask_tries, vlm, task=task, attack=chosen.name, seed=data.seed, batch_size=context.batch_size)
            if isinstance(chosen, Checked):
                chosen.check(lambda some: worth(some, ask(some), task), data, config)
            predictions = ask(tries, on_done=advance)
        _write(folder, tries, predictions, {"": range(len(tries))})

    def change(folder: Path) -> None:
        tries: list[Try] = []
        predictions: list[Prediction] = []
        points: dict[str, range] = {}
        asked = chosen.asked(data, config) if isinstance(chosen, Selective) else data.items
        plain = [Try(item) for item in asked]
        with context.watch(what, 0) as advance, mounted() as vlm:
            for point, more in chosen.changes(vlm, data, config):
                with more.mounted(vlm):
                    found = ask_tries(vlm, plain, task, chosen.name, batch_size=context.batch_size, on_done=advance)
                points[point] = range(len(tries), len(tries) + len(plain))
                tries += plain
                predictions += found
        _write(folder, tries, predictions, points)

    def probe(folder: Path) -> None:
        with context.watch(what, len(data.items)):
            with mounted() as vlm:
                found = chosen.read(vlm, data, config)
            del vlm  # one model at a time
            figures = chosen.figures(found, _Reader(context, references), data, config)
        (folder / FIGURES).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")

    if isinstance(chosen, Elicitation):
        return elicit
    if isinstance(chosen, WeightAttack):
        return change
    if isinstance(chosen, Probe):
        return probe
    raise TypeError(f"the attack {chosen.name!r} neither elicits, changes nor reads")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Opens target or gold for a probe, one at a time: `with references("gold") as vlm`."""

    context: RunContext
    references: References

    @contextmanager
    def __call__(self, name: str) -> "Iterator[Vlm]":
        model = self.references.named()[name]
        with answering(self.context.asking, model, None, "transformers", 1) as vlm:
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
