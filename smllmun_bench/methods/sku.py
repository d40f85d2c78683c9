"""SKU: learn what is unwanted, and only that, then subtract it from the weights."""

from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from smllmun_bench.config import Frozen
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.methods.shared.mismatched_answers import mismatched
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact
from smllmun_bench.training.config import Stop, TrainingConfig

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Batch, Progress, Terms


class SkuConfig(MethodConfig):
    """`strength` can be changed without training again."""

    distortion: NonNegativeFloat = 2.5  # weight of learning the forget answers
    disassociation: NonNegativeFloat = 2.5  # weight of learning mismatched ones
    divergence: NonNegativeFloat = 1.0  # weight of leaving θ0 on the retain rows
    mismatches: PositiveInt = 5  # K: mismatched answers to each forget answer
    cap: PositiveFloat = 2.0  # nats per token beyond which divergence is not rewarded
    strength: float = 1.0  # λ: how much of the learnt change is subtracted; -1 gives what was learnt


class _Acquisition(Frozen):
    """Everything that the first stage depends on, besides model and data."""

    training: TrainingConfig
    distortion: float
    disassociation: float
    divergence: float
    mismatches: int
    cap: float
    seed: int


class Sku:
    """θ = θ0 - λ·(θ' - θ0), where θ' learnt to misbehave. Liu et al. 2024, arXiv 2402.10058."""

    name = "sku"
    aliases: tuple[str, ...] = ()
    description = "selective knowledge negation: learn the forget answers away from everything else, then subtract"
    fidelity = Fidelity.AUTHORS_CODE
    config = SkuConfig
    needs = Needs(forget=True, retain=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: SkuConfig, progress: "Progress") -> "Artifact":
        inputs = _Acquisition(seed=data.seed, **config.model_dump(exclude={"strength"}))
        learnt = data.reuse("sku-acquisition", inputs, lambda: _acquire(target, data, inputs, progress))
        return learnt.scaled(-config.strength)


def _acquire(target: "Vlm", data: UnlearningData, inputs: _Acquisition, progress: "Progress") -> "Artifact":
    """L = e1·CE(y_f|x_f) + e2·(1/K)·Σ_k CE(a_k|x_f) - e3·min(KL(p_θ0 ‖ p_θ), cap); CE averages within each answer."""
    from smllmun_bench.training import losses
    from smllmun_bench.training.loop import drawn, train
    from smllmun_bench.training.reference import Reference

    training = inputs.training.model_copy(update={"stop": Stop()})  # θ' learns to misbehave: it never forgets
    rows = {"distortion": streams.forget(data, training)}
    if inputs.disassociation:
        rows["disassociation"] = mismatched(
            data.forget, times=inputs.mismatches, paraphrases=training.paraphrases, seed=data.seed, method="sku"
        )
    sizes = {"disassociation": inputs.mismatches * training.batch_size}
    before = Reference(target)
    if inputs.divergence:
        rows["divergence"] = streams.retain(data, training)
        logits = before.log_probs(drawn(rows, training, seed=data.seed, sizes=sizes)["divergence"])

    def loss(batch: "Batch") -> "Terms":
        terms = {"distortion": inputs.distortion * losses.cross_entropy(batch["distortion"].scores.means())}
        if "disassociation" in batch:
            mean = losses.cross_entropy(batch["disassociation"].scores.means())
            terms["disassociation"] = inputs.disassociation * mean
        if "divergence" in batch:
            held = batch["divergence"]
            reference = logits(held.examples, held.scores.owner)
            terms["divergence"] = inputs.divergence * losses.divergence(
                held.scores.logits.log_softmax(-1), reference, cap=inputs.cap
            )
        return terms

    update = train(target, rows, loss, training, seed=data.seed, progress=progress, sizes=sizes)
    return as_artifact(update, spent=before.cost)


METHOD = Sku()
