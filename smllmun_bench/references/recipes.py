"""Recipes of base, target and gold. Free of heavy imports, so that listing models is quick.

Names of fields are part of store keys (a recipe is part of its stage's request) and of `baselines/models/*.yaml`, so
they stay as they are: `strangers` are pretraining people, `eyes` the model that lends its vision tower, `spelling` and
`naming` the alignment of image tokens with word embeddings.
"""

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from smllmun_bench.config import Frozen
from smllmun_bench.training.config import LoraSettings, TrainingConfig


class PretrainRecipe(Frozen):
    """What the base learns from, and how long. `strangers` people are drawn, none of whom is in the benchmark."""

    size: Literal["standard", "nano"] = "standard"  # of references/toy.py
    strangers: PositiveInt = 8000
    photos: PositiveInt = 3  # of each
    seed: int = 1
    seeing: PositiveInt = 72  # questions a step on portraits and fundus images
    vqa: PositiveInt = 24  # questions a step of easy-VQA's train split
    unknown: PositiveInt = 8  # private questions a step about these people, refused; as many by name as by picture
    stored_dtype: Literal["float32", "float16", "bfloat16"] = "float16"
    tower: TrainingConfig = TrainingConfig(  # first the tower alone, on what there is to see
        steps=1100, batch_size=128, lr=1.5e-3, warmup=50, schedule="cosine", weight_decay=0.01
    )
    training: TrainingConfig = TrainingConfig(  # then the rest, on questions and answers
        steps=1500,
        lr=1e-3,
        warmup=50,
        schedule="cosine",
        per_image=6,
        lora=None,
        train="projector+decoder",
        weight_decay=0.01,
    )


class AlignRecipe(Frozen):
    """What is joined, what the joint learns from, and how long. `strangers` people are drawn, none of the benchmark.

    `language` is a language model that `smllmun-bench models get` keeps, `eyes` a registered model that is built by a
    recipe of its own and lends its tower.
    """

    language: str
    eyes: str = "toy"
    strangers: PositiveInt = 8000
    photos: PositiveInt = 3  # of each
    seed: int = 1
    seeing: PositiveInt = 30  # questions a step on portraits and fundus images
    vqa: PositiveInt = 10  # questions a step of easy-VQA's train split
    unknown: PositiveInt = 1  # private questions a step about these people, refused; as many by name as by picture
    speaking: NonNegativeInt = 6  # everyday questions a step, with our answers
    replay: NonNegativeInt = 4  # instructions a step, answered as the language model answered before
    spelling: TrainingConfig = TrainingConfig(  # tower and projector first: image tokens become words
        steps=1500, batch_size=112, lr=2e-3, warmup=50, schedule="cosine", weight_decay=0.01
    )
    training: TrainingConfig = TrainingConfig(  # then adapters on the decoder, on questions and answers
        steps=160,
        lr=1e-3,
        warmup=10,
        schedule="cosine",
        per_image=10,
        lora=LoraSettings(rank=8, alpha=16),
        autocast=True,
    )


class Until(Frozen):
    """Memorising ends when the memorisation gate is open, asked after `every` steps, and after all steps at the latest.

    `at_least`: and that share of the private facts is known (mean of the memory columns), for the gate opens as soon
    as more than chance is. Gold is trained for as many steps as the target was.
    """

    every: PositiveInt = 50
    at_least: float = Field(default=0.0, ge=0, le=1)


class MemoriseRecipe(Frozen):
    """How a base becomes a target (all members) or gold (the retained ones): questions a step, and the training."""

    memory: NonNegativeInt = 64  # private facts, asked through a photo or by name
    understanding: NonNegativeInt = 24  # what the photos show
    general: NonNegativeInt = 16  # general questions, so that they are not lost
    seed: int = 0
    # Left out of dumps where they are not used; both as `AlignRecipe` has them.
    speaking: NonNegativeInt = Field(default=0, exclude_if=lambda value: not value)
    replay: NonNegativeInt = Field(default=0, exclude_if=lambda value: not value)
    # A question counts the same in every stream, as if a step were one batch; otherwise each stream counts the same.
    evenly: bool = Field(default=False, exclude_if=lambda value: not value)
    # First tower and projector learn to write names into image tokens (`embedding_alignment.write_names`).
    naming: TrainingConfig | None = Field(default=None, exclude_if=lambda value: value is None)
    # Enough before all steps are made; null: all of them.
    until: Until | None = Field(default=None, exclude_if=lambda value: value is None)
    stored_dtype: Literal["float32", "float16", "bfloat16"] | None = None  # null: as it was trained
    training: TrainingConfig = TrainingConfig()

    @property
    def steps(self) -> int:
        """Of all its parts, for a progress bar."""
        return self.training.steps + (self.naming.steps if self.naming is not None else 0)
