"""The toy's base model: it learns to see, to answer easy-VQA and to say that it does not know. It meets no profile."""

from pathlib import Path
from typing import TYPE_CHECKING

from smllmun_bench.data.general.easyvqa import EasyVqa
from smllmun_bench.data.synthetic.profiles import outsiders
from smllmun_bench.models.change import Artifact
from smllmun_bench.references.pretraining_people import PretrainingPeople, curriculum, visible
from smllmun_bench.references.recipes import PretrainRecipe

if TYPE_CHECKING:
    from smllmun_bench.training.loop import Progress


def pretrain(folder: Path, recipe: PretrainRecipe, progress: "Progress | None" = None) -> None:
    """Write the trained base model to `folder`. Progress hears of the tower's steps, then of the other parts'."""
    from smllmun_bench.models.folder import save
    from smllmun_bench.models.loading import load
    from smllmun_bench.references import toy
    from smllmun_bench.references.tower_pretraining import pretrain_tower
    from smllmun_bench.training.loop import cross_entropy, train

    size = {"standard": toy.STANDARD, "nano": toy.NANO}[recipe.size]
    people = outsiders(recipe.strangers, recipe.seed)
    vqa = EasyVqa()
    streams = curriculum(people, vqa, photos=recipe.photos, seed=recipe.seed)
    toy.build(
        folder, (text for examples in streams.values() for e in examples for text in (e.question, e.answer)), size
    )
    vlm = load(folder, PretrainingPeople(people, vqa, seed=recipe.seed, image_size=size.image))
    labels = visible(people, vqa, photos=recipe.photos)
    pretrain_tower(vlm, labels, recipe.tower, seed=recipe.seed, progress=progress)
    sizes = {
        "seeing": recipe.seeing,
        "vqa": recipe.vqa,
        "unknown_image": recipe.unknown,
        "unknown_text": recipe.unknown,
    }
    update = train(vlm, streams, cross_entropy, recipe.training, seed=recipe.seed, progress=progress, sizes=sizes)
    with Artifact("delta", update.deltas()).mounted(vlm):
        save(vlm.model, vlm.processor, folder, dtype=recipe.stored_dtype)
