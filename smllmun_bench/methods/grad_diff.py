"""GradDiff: ascent on the forget set, descent on the retain rows, in one step."""

from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat

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
        from smllmun_bench.training.loop import train

        def loss(batch: "Batch") -> "Terms":
            return {
                "forget": config.forget_weight * losses.gradient_ascent(batch["forget"].scores.logp),
                "retain": config.retain_weight * losses.cross_entropy(batch["retain"].scores.logp),
            }

        rows = {"forget": streams.forget(data, config.training), "retain": streams.retain(data, config.training)}
        return as_artifact(train(target, rows, loss, config.training, seed=data.seed, progress=progress))


METHOD = GradDiff()
