"""A base becomes a target: it is fine-tuned on everything about its members, as a careless owner would."""

from pathlib import Path
from typing import TYPE_CHECKING

from smllmun_bench.data.combined import TaskData
from smllmun_bench.data.source import Split
from smllmun_bench.methods.artifact import Artifact
from smllmun_bench.models.folder import save
from smllmun_bench.pipeline.cards import MemoriseRecipe
from smllmun_bench.schema import Fold, Role
from smllmun_bench.training import losses
from smllmun_bench.training.examples import Example, from_items
from smllmun_bench.training.loop import Batch, Progress, Terms, train

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm

_SEEING = (Role.UNDERSTANDING_FORGET, Role.UNDERSTANDING_RETAIN)


def memorise(
    vlm: "Vlm", data: TaskData, split: Split, fold: Fold, recipe: MemoriseRecipe, folder: Path, progress: Progress
) -> None:
    """Fine-tune on `split` and write the result to `folder`; `vlm` itself is left as it was."""
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
    }
    streams: dict[str, list[Example]] = {
        name: examples for name, (examples, size) in parts.items() if examples and size
    }

    def loss(batch: Batch) -> Terms:
        return {name: losses.cross_entropy(part.scores.logp) for name, part in batch.items()}

    sizes = {name: parts[name][1] for name in streams}
    update = train(vlm, streams, loss, recipe.training, seed=recipe.seed, progress=progress, sizes=sizes)
    with Artifact("delta", update.deltas()).mounted(vlm):
        save(vlm.model, vlm.processor, folder, dtype=recipe.stored_dtype)
