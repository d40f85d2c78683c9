"""GradDiff: ascent on the forget set, descent on the retain rows, in one step."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, NonNegativeFloat

from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Batch, Progress, Terms


class GradDiffConfig(MethodConfig):
    forget_weight: NonNegativeFloat = 1.0
    retain_weight: NonNegativeFloat = 1.0
    # `ascent_first`: the first half of the steps on forget rows alone, the second on retain rows, as in MLLMU-Bench.
    order: Literal["together", "ascent_first"] = Field(default="together", exclude_if=lambda value: value == "together")


class GradDiff:
    """L = -γ·CE(y_f) + α·CE(y_r). Liu et al. 2022; TOFU."""

    name = "grad-diff"
    aliases: tuple[str, ...] = ()
    description = "gradient ascent on forget, descent on retain"
    fidelity = Fidelity.PAPER
    config = GradDiffConfig
    needs = Needs(forget=True, retain=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: GradDiffConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.training import losses
        from smllmun_bench.training.loop import LoopHooks, train

        terms = {
            "forget": lambda logp: config.forget_weight * losses.gradient_ascent(logp),
            "retain": lambda logp: config.retain_weight * losses.cross_entropy(logp),
        }

        def loss(batch: "Batch") -> "Terms":
            return {name: terms[name](part.scores.logp) for name, part in batch.items()}

        def one_half(step: int) -> tuple[str]:
            return ("forget",) if 2 * step < config.training.steps else ("retain",)

        hooks = LoopHooks(active=one_half if config.order == "ascent_first" else None)

        rows = {"forget": streams.forget(data, config.training), "retain": streams.retain(data, config.training)}
        return as_artifact(train(target, rows, loss, config.training, seed=data.seed, progress=progress, hooks=hooks))


METHOD = GradDiff()
