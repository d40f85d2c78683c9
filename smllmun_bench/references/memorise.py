"""A base becomes a target: it is fine-tuned on everything about its members, as a careless owner would."""

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from smllmun_bench.data.combined import TaskData
from smllmun_bench.data.source import Split
from smllmun_bench.models.change import Artifact
from smllmun_bench.references.embedding_alignment import write_names
from smllmun_bench.references.recipes import MemoriseRecipe
from smllmun_bench.references.rehearsal import rehearse
from smllmun_bench.schema import Fold, Item, Role
from smllmun_bench.training.artifact import as_artifact
from smllmun_bench.training.examples import Example, from_items
from smllmun_bench.training.loop import Batch, Progress, Terms, cross_entropy, train

if TYPE_CHECKING:
    from torch import Tensor

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
        parts["replay"] = (rehearse(vlm), recipe.replay)
    streams: dict[str, list[Example]] = {
        name: examples for name, (examples, size) in parts.items() if examples and size
    }

    sizes = {name: parts[name][1] for name in streams}
    vision = Artifact("delta", _names(vlm, data, items, recipe, progress))
    with vision.mounted(vlm):
        loss = _evenly if recipe.evenly else cross_entropy
        update = train(vlm, streams, loss, recipe.training, seed=recipe.seed, progress=progress, sizes=sizes)
    return as_artifact(update).after(vision)


def _evenly(batch: Batch) -> Terms:
    """Each stream's mean per token, weighted by its share of the questions: few of a kind are heard as few."""
    count = sum(len(part.examples) for part in batch.values())
    return {name: len(batch[name].examples) / count * term for name, term in cross_entropy(batch).items()}


def _names(
    vlm: "Vlm", data: TaskData, items: Sequence[Item], recipe: MemoriseRecipe, progress: Progress
) -> Mapping[str, "Tensor"]:
    """What tower and projector learn before the decoder does, if the recipe has them write names."""
    if recipe.naming is None:
        return {}
    faces = {item.images[0]: item.subject for item in items if item.images and item.subject}
    others = sorted({item.images[0] for item in data.general_training() if item.images})
    chosen = random.Random(recipe.seed).sample(others, min(len(others), 1000))
    return write_names(vlm, faces, chosen, recipe.naming, seed=recipe.seed, progress=progress)
