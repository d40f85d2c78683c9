"""Task-vector negation: learn the forget set even better, then go the same way back, past the start."""

from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.schema import Fidelity

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Progress


class TaskVectorConfig(MethodConfig):
    """`strength` can be changed without training again."""

    strength: float = 1.0  # λ: how much of τ is subtracted; -1 gives what was learnt

    @model_validator(mode="after")
    def _forgets_by_strength(self) -> Self:
        if self.training.stop.rule == "matched":
            raise ValueError("training learns the forget set here, and `strength` forgets it: 'stop.rule: steps'")
        return self


class TaskVector:
    """θ = θ0 - λ·τ, τ = θ_ft(D_f) - θ0. Ilharco et al. 2023, arXiv 2212.04089."""

    name = "task-vector"
    aliases: tuple[str, ...] = ("task-arithmetic",)
    description = "task-vector negation: fine-tune on the forget set, subtract the change"
    fidelity = Fidelity.PAPER
    config = TaskVectorConfig
    needs = Needs(forget=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: TaskVectorConfig, progress: "Progress") -> "Artifact":
        return streams.task_vector(target, data, config.training, "forget", progress).scaled(-config.strength)


METHOD = TaskVector()
