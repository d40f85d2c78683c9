"""PerMU: learn the answer that a model gives when it cannot make out whom the question is about."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from smllmun_bench.methods.shared.embedding_noise import Noise
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.packing import Packed
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.examples import Example
    from smllmun_bench.training.loop import Batch, Progress, Terms


class PermuConfig(MethodConfig):
    span: Literal["text", "image", "both"] = "both"  # name tokens, image tokens, or both are noised
    tokens: Literal["subject", "msm"] = "subject"  # msm: the most sensitive tokens of the span, whoever they name
    msm_share: Annotated[float, Field(gt=0, le=1)] = 0.2  # of the span's tokens, for msm
    noise: NonNegativeFloat = 1.0  # standard deviation, in those of the hidden states of the modality
    relative: bool = True  # false: `noise` is absolute
    resample: bool = False  # a fresh pattern each step
    subtraction: NonNegativeFloat = 0.1  # C
    block: NonNegativeInt = 1  # noise enters this decoder block
    protect_subject: bool = False  # answer tokens of the name keep their clean target
    retain_weight: NonNegativeFloat = 1.0

    def needed(self, usually: Needs) -> Needs:
        return replace(usually, images="forget") if self.span == "image" else usually


class Permu:
    """L = KL(softmax(z_noisy - C·z_clean) ‖ p_θ) on forget answers + w·CE(y_r). Wang et al. 2025, arXiv 2502.19982."""

    name = "permu"
    aliases: tuple[str, ...] = ()
    description = "probability perturbation: learn what the model says with the subject under noise"
    fidelity = Fidelity.AUTHORS_CODE
    config = PermuConfig
    needs = Needs(forget=True, retain=True, gradients=True, hooks=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: PermuConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.methods.shared.embedding_noise import Noise, by_item
        from smllmun_bench.models.cost import Cost
        from smllmun_bench.training import losses
        from smllmun_bench.training.loop import train

        forget = streams.forget(data, config.training)
        if config.span == "image" and not any(example.images for example in forget):
            raise UserError("permu, span: image, puts noise on pictures, and no forget row has one", fix="span: text")
        subjects = {item.item_id: item.subject for item in data.forget if item.subject}
        if config.span == "text" and config.tokens == "subject" and not subjects:
            raise UserError(
                "permu, span: text, puts noise on the name of the subject, and no forget row says what its subject is",
                fix="tokens: msm, or a task whose rows have a subject",
            )
        noise = Noise(target, config.noise, relative=config.relative, seed=data.seed)
        spent = [0, 0]  # passes outside the loop, forward and backward

        def loss(batch: "Batch") -> "Terms":
            part = batch["forget"]
            if config.resample:
                noise.redraw()
            wanted, passes, backwards = _target(target, part.examples, subjects, noise, config)
            spent[0], spent[1] = spent[0] + passes, spent[1] + backwards
            student = by_item(part.scores, part.scores.logits).log_softmax(-1)
            return {
                "forget": losses.kl_to_reference(student, wanted.log_softmax(-1)),
                "retain": config.retain_weight * losses.cross_entropy(batch["retain"].scores.logp),
            }

        rows = {"forget": forget, "retain": streams.retain(data, config.training)}
        update = train(target, rows, loss, config.training, seed=data.seed, progress=progress)
        return as_artifact(update, {"marked_tokens": float(noise.marked)}, Cost(*spent))


def _target(
    vlm: "Vlm", examples: "Sequence[Example]", subjects: dict[str, str], noise: "Noise", config: PermuConfig
) -> "tuple[Tensor, int, int]":
    """z* of every answer token, in the order of the items; answers passed forward and backward for it."""
    import torch

    from smllmun_bench.methods.shared import embedding_noise, token_masks
    from smllmun_bench.training import losses

    names = {subjects[example.key] for example in examples if example.key in subjects}
    phrases = sorted(ids for name in names for ids in token_masks.phrase_ids(vlm, name))
    felt = iter(embedding_noise.sensitivity(vlm, config.block, "permu", examples) if config.tokens == "msm" else ())
    named: list[Tensor] = []

    def change(packed: "Packed", hidden: "Tensor") -> "Tensor":
        subject = token_masks.spans(packed, phrases)
        named.append(subject[packed.predict_row, packed.predict_at + 1])
        if config.tokens == "msm":
            where = most_sensitive(next(felt), _allowed(packed, vlm.image_token, config.span), config.msm_share)
        else:
            where = torch.zeros_like(subject)
            if config.span != "image":
                where |= subject
            if config.span != "text":
                where |= token_masks.pictures(packed, vlm.image_token)
        return noise.add(packed, hidden, where)

    with embedding_noise.frozen(vlm):
        clean = embedding_noise.score(vlm, examples)
        with embedding_noise.at_block(vlm, config.block, "permu", change):
            noisy = embedding_noise.score(vlm, examples)
    wanted = losses.permu_target(
        clean.logits,
        noisy.logits,
        subtraction=config.subtraction,
        keep=torch.cat(named).to(clean.logits.device) if config.protect_subject else None,
    )
    extra = len(examples) if config.tokens == "msm" else 0
    return embedding_noise.by_item(clean, wanted), 2 * len(examples) + extra, extra


def _allowed(packed: "Packed", image_token: int, span: str) -> "Tensor":
    from smllmun_bench.methods.shared import token_masks

    asked = token_masks.words(packed, image_token) & ~token_masks.answers(packed)
    seen = token_masks.pictures(packed, image_token)
    return {"text": asked, "image": seen, "both": asked | seen}[span]


def most_sensitive(felt: "Tensor", allowed: "Tensor", share: float) -> "Tensor":
    """The `share` of the allowed tokens of each row with the highest sensitivity, at least one; (rows, length)."""
    import torch

    counts = (share * allowed.sum(1)).ceil().long().clamp(min=1)
    order = felt.masked_fill(~allowed, -1).argsort(dim=1, descending=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1]).expand_as(order).contiguous())
    return (rank < counts[:, None]) & allowed


METHOD = Permu()
