"""SimNPO: NPO on length-normalised log-probabilities, without a reference model."""

from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat, PositiveFloat

from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Batch, Progress, Terms


class SimnpoConfig(MethodConfig):
    beta: PositiveFloat = 4.5
    margin: NonNegativeFloat = 0.0  # m, in nats per token
    forget_weight: NonNegativeFloat = 0.125
    retain_weight: NonNegativeFloat = 1.0


class Simnpo:
    """L = γ·(-(2/β)·E log σ(β·(nll/T - m))) + α·CE(y_r). Fan et al. 2024, arXiv 2410.07163."""

    name = "simnpo"
    aliases: tuple[str, ...] = ()
    description = "simple NPO: length-normalised, no reference, so what is forgotten already is left alone"
    fidelity = Fidelity.AUTHORS_CODE
    config = SimnpoConfig
    needs = Needs(forget=True, retain=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: SimnpoConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.training import losses
        from smllmun_bench.training.loop import train

        def loss(batch: "Batch") -> "Terms":
            means = batch["forget"].scores.means()
            return {
                "forget": config.forget_weight * losses.simnpo(means, beta=config.beta, margin=config.margin),
                "retain": config.retain_weight * losses.cross_entropy(batch["retain"].scores.logp),
            }

        rows = {"forget": streams.forget(data, config.training), "retain": streams.retain(data, config.training)}
        return as_artifact(train(target, rows, loss, config.training, seed=data.seed, progress=progress))


METHOD = Simnpo()
