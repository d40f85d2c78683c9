"""How a model is trained. One shape for memorising and for every unlearning method."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from smllmun_bench.config import Frozen


class LoraSettings(Frozen):
    """ΔW = (alpha/rank)·B·A on every chosen linear layer; A is Kaiming-uniform, B zero, so training starts at θ0."""

    rank: PositiveInt = 16
    alpha: PositiveFloat = 16
    dropout: NonNegativeFloat = 0.0


class L1(Frozen):
    """`weight` times the mean absolute value of what is trained, as CLEAR-bench adds to any loss (arXiv 2410.18057).

    `factors`: the entries of all A and B, as its code has it, though A does not start at zero; `b`: those of B alone;
    `product`: those of ΔW. Where whole weights are trained it is |θ - θ0|. The mean, since the published sum over
    millions of entries makes a weight depend on the model's size.
    """

    weight: PositiveFloat
    of: Literal["factors", "b", "product"] = "factors"


class Stop(Frozen):
    """When training ends.

    `steps`: after `steps` batches. `matched`: where people of the validation fold are forgotten as well as by gold,
    asked after `every` steps, and after `steps` batches at the latest. Whoever is reported is never asked.
    """

    rule: Literal["steps", "matched"] = "steps"
    every: PositiveInt = 5


class TrainingConfig(Frozen):
    """AdamW over `steps` batches, each of `batch_size` examples of every stream."""

    steps: PositiveInt = 100
    batch_size: PositiveInt = 16
    lr: PositiveFloat = 1e-4
    weight_decay: NonNegativeFloat = 0.0
    warmup: NonNegativeInt = 0  # steps of linear rise
    schedule: Literal["cosine", "linear", "constant"] = "constant"
    max_grad_norm: PositiveFloat = 1.0
    per_image: PositiveInt = 4  # questions that share an image in a batch
    text_share: Annotated[float, Field(ge=0, le=1)] = 0.3  # of a batch without images, where a stream has both kinds
    paraphrases: NonNegativeInt = 1  # other wordings of each question to train on
    lora: LoraSettings | None = LoraSettings()  # null: all weights of the chosen layers
    # What is trained: linear layers of the decoder, or its attention only; and, as whole weights, the decoder with its
    # embeddings and norms, everything but the vision tower, or everything.
    train: Literal["language", "attention", "decoder", "projector+decoder", "all"] = "language"

    # Left out of dumps where they are not used: finished stages keep their keys.
    # Steps at first in which such a stream has no images: facts are learnt by name before they are asked by picture.
    text_first: NonNegativeInt = Field(default=0, exclude_if=lambda value: not value)
    # What a loss is taken over: the tokens of the answer with EOS, or all text after the picture, question included, as
    # MLLMU-Bench's and MMUnlearner's code has it; reference log-probabilities and saliency with it.
    labels: Literal["answer", "all"] = Field(default="answer", exclude_if=lambda value: value == "answer")
    l1: L1 | None = Field(default=None, exclude_if=lambda value: value is None)
    stop: Stop = Field(default=Stop(), exclude_if=lambda value: value == Stop())
    # Compute activations twice and keep them never: the same update, far less memory, a third more time.
    gradient_checkpointing: bool = Field(default=False, exclude_if=lambda value: not value)
    # Matrix products of a float32 model in bfloat16; weights, adapters, sums and the optimiser stay in float32.
    autocast: bool = Field(default=False, exclude_if=lambda value: not value)
    # Beside adapters on the decoder, the whole weights of what carries image features to it.
    projector: bool = Field(default=False, exclude_if=lambda value: not value)
    # Compile the decoder's layers: the same losses up to rounding, faster steps after a minute of compiling.
    compile: bool = Field(default=False, exclude_if=lambda value: not value)
    # Under `accelerate launch`: the decoder's layers, their gradients and Adam's memory divided over the processes.
    sharded: bool = Field(default=False, exclude_if=lambda value: not value)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.sharded and self.compile:
            raise ValueError("'sharded' puts layers together as they run, which 'compile' does not see: one of the two")
        if self.sharded and self.stop.rule == "matched":
            raise ValueError("'stop.rule: matched' asks whole models, and 'sharded' divides them: 'stop.rule: steps'")
        if self.lora is not None and self.train not in ("language", "attention"):
            raise ValueError(f"'train: {self.train}' trains whole weights, so it needs 'lora: null'")
        if self.projector and self.lora is None:
            raise ValueError("'projector' goes with adapters; 'train: projector+decoder' trains both as whole weights")
        if self.lora is None and self.l1 is not None and self.l1.of != "factors":
            raise ValueError(f"'l1.of: {self.l1.of}' is about LoRA factors, and 'lora: null' has none")
        return self


def rate_at(step: int, config: TrainingConfig) -> float:
    """The factor on the learning rate at `step` (from 0)."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1 - done if config.schedule == "linear" else 1.0
