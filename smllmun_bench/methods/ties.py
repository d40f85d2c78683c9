"""TIES: the negated forget vector and the retain vector, merged by trimming, electing signs and averaging."""

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.schema import Fidelity

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Progress


class TiesConfig(MethodConfig):
    """`top` and `strength` can be changed without training again."""

    top: Annotated[float, Field(gt=0, le=1)] = 0.2  # share of entries that each vector keeps
    strength: float = 1.0  # λ, on the merged vector

    @model_validator(mode="after")
    def _forgets_by_strength(self) -> Self:
        if self.training.stop.rule == "matched":
            raise ValueError("training learns the forget set here, and `strength` forgets it: 'stop.rule: steps'")
        return self


class Ties:
    """θ = θ0 + λ·TIES(-τ_f, τ_r), per weight matrix. Merging: Yadav et al. 2023, arXiv 2306.01708."""

    name = "ties"
    aliases: tuple[str, ...] = ()
    description = "TIES-merging of the negated forget vector with the retain vector"
    fidelity = Fidelity.RECONSTRUCTION
    config = TiesConfig
    needs = Needs(forget=True, retain=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: TiesConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.methods.shared.sculpt import ties
        from smllmun_bench.models.change import Artifact

        unwanted = streams.task_vector(target, data, config.training, "forget", progress)
        wanted = streams.task_vector(target, data, config.training, "retain", progress)
        kept = dict(wanted.deltas())
        merged = {name: config.strength * ties(-delta, kept[name], top=config.top) for name, delta in unwanted.deltas()}
        figures = {f"forget_{name}": value for name, value in unwanted.figures.items()}
        figures |= {f"retain_{name}": value for name, value in wanted.figures.items()}
        return Artifact("delta", merged, unwanted.cost + wanted.cost, figures)


METHOD = Ties()
