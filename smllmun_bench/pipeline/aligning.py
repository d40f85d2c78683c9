"""The recipe of a base that is joined from a language model and a vision tower. Free of heavy imports."""

from pydantic import NonNegativeInt, PositiveInt

from smllmun_bench.config import Frozen
from smllmun_bench.training.config import LoraSettings, TrainingConfig


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
    unknown: PositiveInt = 1  # private questions a step about strangers, refused; as many by name as by picture
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
