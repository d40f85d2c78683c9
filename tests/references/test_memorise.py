"""A target's training: which questions are heard, and how loudly."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from smllmun_bench import tasks
from smllmun_bench.data.combined import TaskData
from smllmun_bench.data.source import Split
from smllmun_bench.models.loading import load
from smllmun_bench.references.memorise import memorise
from smllmun_bench.references.recipes import MemoriseRecipe
from smllmun_bench.schema import Fold
from smllmun_bench.training.config import LoraSettings, TrainingConfig

RECIPE = MemoriseRecipe(
    memory=6, understanding=3, general=1, training=TrainingConfig(steps=1, lr=1e-3, lora=LoraSettings(rank=2))
)


class Heard:
    """The figures of the last step."""

    figures: Mapping[str, float]

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        self.figures = figures


def _first_step(folder: Path, recipe: MemoriseRecipe) -> Mapping[str, float]:
    task = tasks.load("smllmun-nano")
    data = TaskData(task, task.forget_percents.default)
    heard = Heard()
    memorise(load(folder, data), data, Split.MEMORISE_ALL, Fold.TEST, recipe, heard)
    return heard.figures


def test_evenly_each_stream_weighs_its_share_of_the_questions(tiny_folder: Path) -> None:
    plain = _first_step(tiny_folder, RECIPE)
    evenly = _first_step(tiny_folder, RECIPE.model_copy(update={"evenly": True}))
    assert evenly == pytest.approx(
        {
            "memory": 0.6 * plain["memory"],
            "understanding": 0.3 * plain["understanding"],
            "general": 0.1 * plain["general"],
        }
    )
