"""UNDIAL: the target teaches itself, with the logit of each true token pushed down."""

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat

from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import AnswerScores, Vlm
    from smllmun_bench.training.examples import Example
    from smllmun_bench.training.loop import Batch, Progress, Terms


class UndialConfig(MethodConfig):
    beta: NonNegativeFloat = 10.0  # taken off the true token's logit
    retain_weight: NonNegativeFloat = 0.0  # the paper has no retain term

    def needed(self, usually: Needs) -> Needs:
        return replace(usually, retain=bool(self.retain_weight))


class Undial:
    """L = E CE(softmax(z_θ0 - β·onehot(y_t)), p_θ) + α·CE(y_r). Dong et al. 2024, arXiv 2402.10052."""

    name = "undial"
    aliases: tuple[str, ...] = ()
    description = "self-distillation towards the target's own distribution with the true token's logit lowered"
    fidelity = Fidelity.REIMPLEMENTATION
    config = UndialConfig
    needs = Needs(forget=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: UndialConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.training import losses
        from smllmun_bench.training.loop import drawn, train
        from smllmun_bench.training.reference import Reference

        def lowered(batch: "Sequence[Example]", scores: "AnswerScores") -> "Tensor":
            return soft_goal(scores.logits, streams.answer_ids(target, batch, scores.owner), beta=config.beta)

        rows = {"forget": streams.forget(data, config.training)}
        if config.retain_weight:
            rows["retain"] = streams.retain(data, config.training)
        before = Reference(target)
        goals = before.per_token(drawn(rows, config.training, seed=data.seed)["forget"], lowered)

        def loss(batch: "Batch") -> "Terms":
            part = batch["forget"]
            goal = goals(part.examples, part.scores.owner)
            terms = {"forget": losses.soft_cross_entropy(part.scores.logits.log_softmax(-1), goal)}
            if "retain" in batch:
                terms["retain"] = config.retain_weight * losses.cross_entropy(batch["retain"].scores.logp)
            return terms

        update = train(target, rows, loss, config.training, seed=data.seed, progress=progress)
        return as_artifact(update, spent=before.cost)


def soft_goal(logits: "Tensor", tokens: "Tensor", *, beta: float) -> "Tensor":
    """q = softmax(z - β·onehot(token)); `logits` (N, vocabulary), `tokens` (N)."""
    lower = logits.clone()
    lower[range(len(tokens)), tokens] -= beta
    return lower.softmax(-1)


METHOD = Undial()
