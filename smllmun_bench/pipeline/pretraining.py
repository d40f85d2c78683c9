"""The recipe of the toy's base. Free of heavy imports, so that listing models is quick."""

from typing import Literal

from pydantic import PositiveInt

from smllmun_bench.config import Frozen
from smllmun_bench.training.config import TrainingConfig


class PretrainRecipe(Frozen):
    """What the base learns from, and how long. `strangers` people are drawn, none of whom is in the benchmark."""

    size: Literal["standard", "nano"] = "standard"  # of models/toy.py
    strangers: PositiveInt = 8000
    photos: PositiveInt = 3  # of each
    seed: int = 1
    seeing: PositiveInt = 72  # questions a step on portraits and fundus images
    vqa: PositiveInt = 24  # questions a step of easy-VQA's train split
    unknown: PositiveInt = 8  # private questions a step about strangers, refused; as many by name as by picture
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
