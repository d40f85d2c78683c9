"""DPO: for each forget question a refusal is preferred to the true answer."""

from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeFloat, PositiveFloat

from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.examples import Example
    from smllmun_bench.training.loop import Batch, Progress, Terms


class DpoConfig(MethodConfig):
    beta: PositiveFloat = 0.1  # temperature
    forget_weight: NonNegativeFloat = 1.0
    retain: Literal["ce", "kl", "none"] = "ce"
    retain_weight: NonNegativeFloat = 1.0


class Dpo:
    """L = -(2/β)·E log σ(β·[Δ(refusal) - Δ(y_f)]) + α·retain. Rafailov et al. 2023; as IDK-DPO in TOFU and NPO."""

    name = "dpo"
    aliases: tuple[str, ...] = ()
    description = "direct preference optimisation: a refusal is preferred to the true answer, with a retain term"
    fidelity = Fidelity.PAPER
    config = DpoConfig
    needs = Needs(forget=True, retain=True, refusals=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: DpoConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.training import losses
        from smllmun_bench.training.loop import LoopHooks, drawn, train
        from smllmun_bench.training.reference import Reference

        rows = {"forget": streams.forget(data, config.training)}
        if config.retain != "none":
            rows["retain"] = streams.retain(data, config.training)
        refusal = {(example.key, example.question): example for example in streams.refused(data, config.training)}

        def beside(batch: "Mapping[str, Sequence[Example]]") -> "Mapping[str, Sequence[Example]]":
            return {"refusal": [refusal[example.key, example.question] for example in batch["forget"]]}

        asked = drawn(rows, config.training, seed=data.seed)
        before = Reference(target)
        sums, refused_sums = before.sums(asked["forget"]), before.sums(beside(asked)["refusal"])
        known = before.log_probs(asked["retain"]) if config.retain == "kl" else None

        def loss(batch: "Batch") -> "Terms":
            true, other = batch["forget"], batch["refusal"]
            preference = losses.dpo(
                other.scores.sums(),
                refused_sums(other.examples),
                true.scores.sums(),
                sums(true.examples),
                beta=config.beta,
            )
            terms = {"forget": config.forget_weight * preference}
            if config.retain == "ce":
                terms["retain"] = config.retain_weight * losses.cross_entropy(batch["retain"].scores.logp)
            elif known is not None:
                held = batch["retain"]
                terms["retain"] = config.retain_weight * losses.kl_to_reference(
                    held.scores.logits.log_softmax(-1), known(held.examples, held.scores.owner)
                )
            return terms

        update = train(
            target,
            rows,
            loss,
            config.training,
            seed=data.seed,
            progress=progress,
            hooks=LoopHooks(extra_streams=beside),
        )
        return as_artifact(update, spent=before.cost)


METHOD = Dpo()
