"""What training changed, as a change that can be mounted."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from smllmun_bench.models.change import Artifact
from smllmun_bench.models.cost import Cost

if TYPE_CHECKING:
    from smllmun_bench.training.loop import Update


def as_artifact(update: "Update", figures: Mapping[str, float] | None = None, spent: Cost | None = None) -> Artifact:
    """What training changed, as an artifact: LoRA factors stay factors. `spent` is what was paid outside the loop."""
    cost = update.cost + (spent or Cost())
    last = {f"last_{name}": value for name, value in update.history[-1].items()}
    if update.lora:
        tensors = {f"{name}::a": factors.a for name, factors in update.lora.items()}
        tensors |= {f"{name}::b": factors.scale * factors.b for name, factors in update.lora.items()}
        tensors |= update.dense
        return Artifact("lora", tensors, cost, last | dict(figures or {}))
    return Artifact("delta", dict(update.dense), cost, last | dict(figures or {}))
