"""IDK, also called PO: the forget questions are answered by refusals, the retain questions as before."""

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


class IdkConfig(MethodConfig):
    forget_weight: NonNegativeFloat = 1.0
    retain_weight: NonNegativeFloat = 1.0


class Idk:
    """L = CE(refusal | x_f) + CE(y_r | x_r), each a token mean over its own answers. TOFU's IDK.

    TOFU takes one token mean over both; two means keep long refusals from outweighing short answers. A refusal is
    drawn once per question and kept, as in SMFA, so that the two differ in the mask alone.
    """

    name = "idk"
    aliases: tuple[str, ...] = ("po",)
    description = "refusal tuning: forget questions are answered by 'I don't know'"
    fidelity = Fidelity.PAPER
    config = IdkConfig
    needs = Needs(forget=True, retain=True, refusals=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: IdkConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.training import losses
        from smllmun_bench.training.loop import train

        def loss(batch: "Batch") -> "Terms":
            return {
                "forget": config.forget_weight * losses.cross_entropy(batch["forget"].scores.logp),
                "retain": config.retain_weight * losses.cross_entropy(batch["retain"].scores.logp),
            }

        rows = {"forget": streams.refused(data, config.training), "retain": streams.retain(data, config.training)}
        return as_artifact(train(target, rows, loss, config.training, seed=data.seed, progress=progress))


METHOD = Idk()
