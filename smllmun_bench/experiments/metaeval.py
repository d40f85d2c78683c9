"""Metrics on trial: pools of models that saw the facts and that did not, and unlearned models under attack."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import PositiveFloat, PositiveInt

from smllmun_bench import stages
from smllmun_bench.config import Frozen
from smllmun_bench.data.source import Split
from smllmun_bench.metrics.metaeval import Attacked, Verdict, ranked, verdict
from smllmun_bench.schema import Item, Role
from smllmun_bench.stages import RunContext
from smllmun_bench.stages.loader import ModelRef
from smllmun_bench.stages.method_recipes import Chosen
from smllmun_bench.store.hashing import digest
from smllmun_bench.store.store import Request, StoredStage

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm

VERSION = 1
FIGURES = "remembered.json"  # the name under which stores keep them

Values = Mapping[str, float]  # metric -> how much is memorised


class Pools(Frozen):
    """Model `i` of a pool is trained with seed i and with the i-th factor on the recipe's learning rate, cyclically."""

    size: PositiveInt = 5
    lr_factors: tuple[PositiveFloat, ...] = (1.0, 0.7, 0.5, 0.85, 0.6)


@dataclass(frozen=True, slots=True)
class Findings:
    """The verdicts, best metric first, and every value behind them: model (or model and attack) -> metric -> value."""

    verdicts: tuple[Verdict, ...]
    values: Mapping[str, Values]


def metaeval(context: RunContext, chosen: Sequence[Chosen], pools: Pools, *, bits: int = 4) -> Findings:
    """Judge every metric on the request of `context`.

    Faithfulness over `pools.size` targets and as many golds; robustness over one unlearned model per chosen method.
    Relearning teaches the training rows of every second person of the request; memory is measured on the others,
    so that what comes back was not taught. Everything is kept in the store.
    """
    stages.check_needs(context, chosen)
    trial = _Trial.of(context)
    values: dict[str, Values] = {}
    for number in range(pools.size):
        member = _variant(context, pools, number)
        values[f"target {number}"] = _measured(context, trial, stages.target(member), None, None)
        gold = stages.gold(member)
        assert gold is not None, "the model card has a recipe, so it has a gold"
        values[f"gold {number}"] = _measured(context, trial, gold, None, None)
    gold, target = stages.gold(context), stages.target(context)
    assert gold is not None
    attacks = ("relearned", f"{bits} bit")
    for attack in ("", *attacks):
        values[f"gold {attack}".strip()] = _measured(context, trial, gold, None, attack or None)
    for choice in chosen:
        artifact = stages.unlearn(context, target, choice.method, choice.config, seed=0)
        for attack in ("", *attacks):
            values[f"{choice.label} {attack}".strip()] = _measured(context, trial, target, artifact, attack or None)
    names = sorted(set.intersection(*(set(found) for found in values.values())))
    labels = [choice.label for choice in chosen]
    return Findings(tuple(ranked([_judge(name, values, pools, labels, attacks) for name in names])), values)


@dataclass(frozen=True, slots=True)
class _Trial:
    """`items`: evaluation items about the people who are never taught again; `nonmembers`: those about
    people whom no model met; `taught`: rows about the others."""

    items: tuple[Item, ...]
    nonmembers: tuple[Item, ...]
    taught: tuple[Item, ...]

    @classmethod
    def of(cls, context: RunContext) -> "_Trial":
        items = [item for item in stages.questions(context).items if item.role is Role.FORGET]
        people = sorted({item.entity_id for item in items})
        taught = set(people[1::2])
        rows = context.data.training(Split.FORGET_TRAIN, context.fold)
        return cls(
            tuple(item for item in items if item.entity_id not in taught),
            tuple(context.data.training(Split.NONMEMBER)),
            tuple(row for row in rows if row.entity_id in taught),
        )


def _variant(context: RunContext, pools: Pools, number: int) -> RunContext:
    recipe = context.card.memorise
    factor = pools.lr_factors[number % len(pools.lr_factors)]
    training = recipe.training.model_copy(update={"lr": recipe.training.lr * factor})
    changed = recipe.model_copy(update={"seed": recipe.seed + number, "training": training})
    return replace(context, card=context.card.model_copy(update={"memorise": changed}))


def _measured(
    context: RunContext, trial: _Trial, model: ModelRef, artifact: StoredStage | None, attack: str | None
) -> Values:
    inputs = {
        "model": model.digest,
        "artifact": stages.change_digest(artifact) if artifact is not None else None,
        "attack": attack,
        "items": context.data.evaluation_digest([*trial.items, *trial.nonmembers, *trial.taught]),
        "task": digest(context.task.model_dump(mode="json")),
        **context.numerics(context.loader),
    }

    def make(folder: Path) -> None:
        from smllmun_bench.experiments.memorisation_metrics import memorisation
        from smllmun_bench.models.change import Artifact

        vlm = context.loader.get(model)
        change = Artifact.load(artifact.path) if artifact is not None else Artifact("none")
        with ExitStack() as mounted:
            mounted.enter_context(change.mounted(vlm))
            if attack is not None:
                mounted.enter_context(_attack(vlm, attack, trial).mounted(vlm))
            found = memorisation(vlm, trial.items, trial.nonmembers, context.task, batch_size=context.batch_size)
        (folder / FIGURES).write_text(json.dumps(found, sort_keys=True, indent=1), encoding="utf-8")

    entry = context.store.get_or_make(Request("measure", VERSION, inputs), make, on_event=context.on_event)
    values: dict[str, float] = json.loads((entry.path / FIGURES).read_text(encoding="utf-8"))
    return values


def _attack(vlm: "Vlm", attack: str, trial: _Trial) -> "Artifact":
    from smllmun_bench.attacks.quantise import quantise
    from smllmun_bench.attacks.shared.relearning import relearn

    return relearn(vlm, trial.taught) if attack == "relearned" else quantise(vlm, int(attack.split()[0]))


def _judge(
    name: str, values: Mapping[str, Values], pools: Pools, labels: Sequence[str], attacks: tuple[str, str]
) -> Verdict:
    def of(model: str) -> float:
        return values[model][name]

    again, coarse = attacks
    gold = Attacked(of("gold"), of(f"gold {again}"))
    return verdict(
        name,
        [of(f"target {n}") for n in range(pools.size)],
        [of(f"gold {n}") for n in range(pools.size)],
        [(Attacked(of(label), of(f"{label} {again}")), gold) for label in labels],
        [Attacked(of(label), of(f"{label} {coarse}")) for label in labels],
    )


def values_csv(findings: Findings) -> str:
    """One line per model and metric, every value in full."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("model", "metric", "value"))
    for model, values in findings.values.items():
        writer.writerows((model, metric, repr(value)) for metric, value in sorted(values.items()))
    return stream.getvalue()
