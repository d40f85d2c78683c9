"""MMUnlearner: ascent on the forget pictures, only in weights that matter more to them than to what must stay."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self

from pydantic import NonNegativeFloat, PositiveInt, model_validator

from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.models.parts import sensitive, vision_weights
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact
from smllmun_bench.training.config import TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.examples import Example
    from smllmun_bench.training.loop import Batch, Progress, Terms

FLOOR = 1e-15  # on both saliencies, so that a weight that matters to neither is free to move


class MmunlearnerConfig(MethodConfig):
    training: TrainingConfig = TrainingConfig(lora=None)
    mask: Literal["language", "vision", "both"] = "language"  # which weights are trained, each with its mask
    policy: Literal["visual_only", "full_entity"] = "visual_only"  # full_entity forgets the text rows as well
    forget_weight: NonNegativeFloat = 1.0
    retain_weight: NonNegativeFloat = 1.0
    saliency_batch: PositiveInt = 4  # gradients are squared per batch
    saliency_rows: PositiveInt | None = None  # of each set, drawn with the seed; null: all

    @model_validator(mode="after")
    def _whole_weights(self) -> Self:
        if self.training.lora is not None:
            raise ValueError("the mask selects entries of whole weights, so it needs 'training.lora: null'")
        return self

    def needed(self, usually: Needs) -> Needs:
        return usually if self.mask == "language" else replace(usually, images=True)  # a tower is held by pictures


class Mmunlearner:
    """θ ← θ + η·m⊙∇CE_f, then θ ← θ - η·∇CE_r, m = 1[F_f ≥ F_p] on squared gradients. arXiv 2502.11051."""

    name = "mmunlearner"
    aliases: tuple[str, ...] = ()
    description = "gradient ascent masked by saliency: weights that matter to forget pictures more than to the rest"
    fidelity = Fidelity.AUTHORS_CODE
    config = MmunlearnerConfig
    needs = Needs(forget=True, retain=True, images="forget", gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: MmunlearnerConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.models.cost import Cost
        from smllmun_bench.training import losses
        from smllmun_bench.training.loop import LoopHooks, train
        from smllmun_bench.training.weights import target_modules

        forget, retain = streams.forget(data, config.training), streams.retain(data, config.training)
        pictured = [example for example in forget if example.images]
        if not pictured:
            raise UserError(
                "mmunlearner forgets pictures, and no forget row has one", fix="a task with image questions"
            )
        told = [example for example in (*forget, *retain) if not example.images]
        if config.policy == "full_entity":
            pictured, told = forget, [example for example in retain if not example.images]
        seen = [example for example in retain if example.images]

        started, passes = time.perf_counter(), 0
        masks: dict[str, Tensor] = {}
        for part, preserve in (("language", told + seen), ("vision", seen)):
            if config.mask not in (part, "both"):
                continue
            if not preserve:
                raise UserError(
                    f"there are no retain rows to hold the {part} mask against", fix="retain rows with images"
                )
            names = (
                vision_weights(target, self.name)
                if part == "vision"
                else [f"{name}.weight" for name in target_modules(target, config.training.train)]
            )
            ours, n = saliency(target, names, pictured, config, data.seed)
            theirs, m = saliency(target, names, preserve, config, data.seed)
            masks |= {name: saliency_mask(ours[name], theirs[name]) for name in names}
            passes += n + m
        spent = Cost(passes, passes, time.perf_counter() - started)

        def loss(batch: "Batch") -> "Terms":
            if "forget" in batch:
                return {"forget": config.forget_weight * losses.gradient_ascent(batch["forget"].scores.logp)}
            return {"retain": config.retain_weight * losses.cross_entropy(batch["retain"].scores.logp)}

        def reshape(turn: str, name: str, change: "Tensor") -> "Tensor":
            return change * masks[name] if turn == "forget" else change

        hooks = LoopHooks(only=list(masks), alternate=True, filter_update=reshape)
        rows = {"forget": pictured, "retain": retain}
        update = train(target, rows, loss, config.training, seed=data.seed, progress=progress, hooks=hooks)
        selected = sum(int(mask.sum()) for mask in masks.values()) / sum(mask.numel() for mask in masks.values())
        return as_artifact(update, {"selected": selected}, spent)


def saliency_mask(forget: "Tensor", preserve: "Tensor") -> "Tensor":
    """m = 1[(F_f + 1e-15) / (F_p + 1e-15) ≥ 1]: True where the forget set may write. Zeros on both sides: True."""
    return (forget + FLOOR) / (preserve + FLOOR) >= 1


def saliency(
    vlm: "Vlm", names: "Sequence[str]", examples: "Sequence[Example]", config: MmunlearnerConfig, seed: int
) -> tuple[dict[str, "Tensor"], int]:
    """Mean over batches of the squared gradient of CE, by parameter, in float32; and how many answers it took."""
    import random

    import torch

    from smllmun_bench.training import losses

    chosen = random.Random(seed).sample(list(examples), min(len(examples), config.saliency_rows or len(examples)))
    batches = [chosen[at : at + config.saliency_batch] for at in range(0, len(chosen), config.saliency_batch)]
    with sensitive(vlm, names) as parameters:
        total = {name: torch.zeros_like(parameter, dtype=torch.float32) for name, parameter in parameters.items()}
        for batch in batches:
            scores = vlm.score_pairs([example.pair for example in batch])
            # the last vision block may feed nothing (LLaVA reads the one before): no gradient is a zero
            gradients = torch.autograd.grad(
                losses.cross_entropy(scores.logp), list(parameters.values()), materialize_grads=True, allow_unused=True
            )
            for name, gradient in zip(parameters, gradients, strict=True):
                total[name] += gradient.detach().float().square() / len(batches)
    return total, len(chosen)


METHOD = Mmunlearner()
