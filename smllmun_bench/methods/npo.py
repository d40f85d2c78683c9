"""NPO: gradient ascent that fades as an item is forgotten, with a choice of what holds the rest in place."""

from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeFloat, PositiveFloat

from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Batch, Progress, Terms


class NpoConfig(MethodConfig):
    beta: PositiveFloat = 0.1  # temperature; beta -> 0 is gradient ascent
    retain: Literal["ce", "kl", "none"] = "ce"  # NPO+GD, NPO+KL, plain NPO
    retain_weight: NonNegativeFloat = 1.0


class Npo:
    """L = (2/β)·E log(1 + (π_θ/π_θ0)^β) + α·retain. Zhang et al. 2024, arXiv 2404.05868."""

    name = "npo"
    aliases: tuple[str, ...] = ()
    description = "negative preference optimisation, with a retain term (ce, kl or none)"
    fidelity = Fidelity.PAPER
    config = NpoConfig
    needs = Needs(forget=True, retain=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: NpoConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.training import losses
        from smllmun_bench.training.loop import drawn, train
        from smllmun_bench.training.reference import Reference

        rows = {"forget": streams.forget(data, config.training)}
        if config.retain != "none":
            rows["retain"] = streams.retain(data, config.training)
        asked = drawn(rows, config.training, seed=data.seed)
        before = Reference(target)  # taken from the target itself, so there is no second copy of the model
        sums = before.sums(asked["forget"])
        logits = before.log_probs(asked["retain"]) if config.retain == "kl" else None

        def loss(batch: "Batch") -> "Terms":
            part = batch["forget"]
            terms = {"forget": losses.npo(part.scores.sums(), sums(part.examples), beta=config.beta)}
            if config.retain == "ce":
                terms["retain"] = config.retain_weight * losses.cross_entropy(batch["retain"].scores.logp)
            elif logits is not None:
                held = batch["retain"]
                terms["retain"] = config.retain_weight * losses.kl_to_reference(
                    held.scores.logits.log_softmax(-1), logits(held.examples, held.scores.owner)
                )
            return terms

        update = train(target, rows, loss, config.training, seed=data.seed, progress=progress)
        return as_artifact(update, spent=before.cost)


METHOD = Npo()
