"""The streams that several methods train on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from smllmun_bench.methods.artifact import Artifact
from smllmun_bench.training.cost import Cost
from smllmun_bench.training.examples import Example, from_items, refusing

if TYPE_CHECKING:
    from smllmun_bench.methods.base import UnlearningData
    from smllmun_bench.training.config import TrainingConfig
    from smllmun_bench.training.loop import Update


def forget(data: "UnlearningData", config: "TrainingConfig") -> list[Example]:
    """The forget set with its true answers."""
    return from_items(data.forget, paraphrases=config.paraphrases)


def retain(data: "UnlearningData", config: "TrainingConfig") -> list[Example]:
    """The few retain rows with their true answers."""
    return from_items(data.retain, paraphrases=config.paraphrases)


def refused(data: "UnlearningData", config: "TrainingConfig") -> list[Example]:
    """The forget questions, each answered by one refusal of the pool."""
    return refusing(forget(data, config), data.refusals, data.seed)


def as_artifact(update: "Update", figures: Mapping[str, float] | None = None, spent: Cost | None = None) -> Artifact:
    """What training changed, as an artifact: LoRA factors stay factors. `spent` is what was paid outside the loop."""
    cost = update.cost + (spent or Cost())
    last = {f"last_{name}": value for name, value in update.history[-1].items()}
    if update.lora:
        tensors = {f"{name}::a": factors.a for name, factors in update.lora.items()}
        tensors |= {f"{name}::b": factors.scale * factors.b for name, factors in update.lora.items()}
        return Artifact("lora", tensors, cost, last | dict(figures or {}))
    return Artifact("delta", dict(update.dense), cost, last | dict(figures or {}))
