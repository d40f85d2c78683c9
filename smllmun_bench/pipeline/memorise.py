"""A base becomes a target: it is fine-tuned on everything about its members, as a careless owner would."""

from typing import TYPE_CHECKING

from smllmun_bench.data.combined import TaskData
from smllmun_bench.data.source import Split
from smllmun_bench.methods.artifact import Artifact
from smllmun_bench.methods.streams import as_artifact
from smllmun_bench.pipeline.cards import MemoriseRecipe
from smllmun_bench.schema import Fold, Role
from smllmun_bench.training.examples import Example, from_items
from smllmun_bench.training.loop import Progress, cross_entropy, train
from smllmun_bench.training.replay import replay

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm

_SEEING = (Role.UNDERSTANDING_FORGET, Role.UNDERSTANDING_RETAIN)


def memorise(
    vlm: "Vlm", data: TaskData, split: Split, fold: Fold, recipe: MemoriseRecipe, progress: Progress
) -> Artifact:
    """What fine-tuning on `split` changes; `vlm` itself is left as it was."""
    items = data.training(split, fold)
    wordings = recipe.training.paraphrases
    parts = {
        "memory": (
            from_items([item for item in items if item.role not in _SEEING], paraphrases=wordings),
            recipe.memory,
        ),
        "understanding": (
            from_items([item for item in items if item.role in _SEEING], paraphrases=wordings),
            recipe.understanding,
        ),
        "general": (from_items(data.general_training()), recipe.general),
        "speaking": (from_items(data.language_training()), recipe.speaking),
    }
    if recipe.replay:
        parts["replay"] = (replay(vlm), recipe.replay)
    streams: dict[str, list[Example]] = {
        name: examples for name, (examples, size) in parts.items() if examples and size
    }

    sizes = {name: parts[name][1] for name in streams}
    update = train(vlm, streams, cross_entropy, recipe.training, seed=recipe.seed, progress=progress, sizes=sizes)
    return as_artifact(update)
