"""KL-min: ascent on the forget set, while the answers on the retain rows keep their distributions."""

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


class KlConfig(MethodConfig):
    forget_weight: NonNegativeFloat = 1.0
    retain_weight: NonNegativeFloat = 1.0


class Kl:
    """L = -CE(y_f) + KL(p_θ0 ‖ p_θ) at the answer positions of the retain rows. Maini et al. 2024 (TOFU)."""

    name = "kl"
    aliases: tuple[str, ...] = ("kl-min",)
    description = "gradient ascent on forget, divergence from the target kept small on retain"
    fidelity = Fidelity.PAPER
    config = KlConfig
    needs = Needs(forget=True, retain=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: KlConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.training import losses
        from smllmun_bench.training.loop import drawn, train
        from smllmun_bench.training.reference import Reference

        rows = {"forget": streams.forget(data, config.training), "retain": streams.retain(data, config.training)}
        before = Reference(target)
        known = before.log_probs(drawn(rows, config.training, seed=data.seed)["retain"])

        def loss(batch: "Batch") -> "Terms":
            held = batch["retain"]
            now = held.scores.logits.log_softmax(-1)
            return {
                "forget": config.forget_weight * losses.gradient_ascent(batch["forget"].scores.logp),
                "retain": config.retain_weight * losses.kl_to_reference(now, known(held.examples, held.scores.owner)),
            }

        update = train(target, rows, loss, config.training, seed=data.seed, progress=progress)
        return as_artifact(update, spent=before.cost)


METHOD = Kl()
