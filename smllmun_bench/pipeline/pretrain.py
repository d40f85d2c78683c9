"""The toy's base model: it learns to see, to answer easy-VQA and to say that it does not know. It meets no profile."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from smllmun_bench.data.easyvqa import EasyVqa
from smllmun_bench.data.profiles import Profile, outsiders
from smllmun_bench.data.questions import alternatives, memory_items, understanding_items
from smllmun_bench.data.refusals import REFUSALS_BASE
from smllmun_bench.data.smllmun import photo
from smllmun_bench.methods.artifact import Artifact
from smllmun_bench.pipeline.pretraining import PretrainRecipe
from smllmun_bench.schema import Item, Kind, Modality
from smllmun_bench.training.examples import Example, from_items, refusing

if TYPE_CHECKING:
    from smllmun_bench.training.loop import Batch, Progress, Terms

_SHAPES = ("circle", "rectangle", "triangle")


class Strangers:
    """Photos of the outsiders, and of easy-VQA."""

    def __init__(self, people: Sequence[Profile], vqa: EasyVqa, *, seed: int, image_size: int) -> None:
        self._people = {profile.entity_id: profile for profile in people}
        self._vqa = vqa
        self._seed, self._size = seed, image_size

    def image(self, ref: str) -> Image.Image:
        entity, _, number = ref.partition("/")
        if entity in self._people:
            return Image.fromarray(photo(self._people[entity], int(number), self._seed, self._size))
        return self._vqa.image(ref)


def pretrain(folder: Path, recipe: PretrainRecipe, progress: "Progress | None" = None) -> None:
    """Write the trained base model to `folder`. Progress hears of the tower's steps, then of the other parts'."""
    from smllmun_bench.models import toy
    from smllmun_bench.models.folder import save
    from smllmun_bench.models.vlm import load
    from smllmun_bench.pipeline.learn_to_see import learn_to_see
    from smllmun_bench.training import losses
    from smllmun_bench.training.loop import train

    size = {"standard": toy.STANDARD, "nano": toy.NANO}[recipe.size]
    people = outsiders(recipe.strangers, recipe.seed)
    vqa = EasyVqa()
    streams = _streams(people, vqa, recipe)
    toy.build(
        folder, (text for examples in streams.values() for e in examples for text in (e.question, e.answer)), size
    )
    vlm = load(folder, Strangers(people, vqa, seed=recipe.seed, image_size=size.image))
    learn_to_see(vlm, _visible(people, vqa, recipe), recipe.tower, seed=recipe.seed, progress=progress)

    def loss(batch: "Batch") -> "Terms":
        return {name: losses.cross_entropy(part.scores.logp) for name, part in batch.items()}

    sizes = {
        "seeing": recipe.seeing,
        "vqa": recipe.vqa,
        "unknown_image": recipe.unknown,
        "unknown_text": recipe.unknown,
    }
    update = train(vlm, streams, loss, recipe.training, seed=recipe.seed, progress=progress, sizes=sizes)
    with Artifact("delta", update.deltas()).mounted(vlm):
        save(vlm.model, vlm.processor, folder, dtype=recipe.stored_dtype)


def _visible(people: Sequence[Profile], vqa: EasyVqa, recipe: PretrainRecipe) -> dict[str, dict[str, str]]:
    """What each image shows: the traits of a stranger, the shape and the colour of an easy-VQA image."""
    labels = {
        f"{profile.entity_id}/{number}": profile.traits.visible()
        for profile in people
        for number in range(recipe.photos)
    }
    for item in vqa.train_items():
        if item.kind is Kind.OPEN:
            labels.setdefault(item.images[0], {})["shape" if item.answer in _SHAPES else "colour"] = item.answer
    return labels


def _streams(people: Sequence[Profile], vqa: EasyVqa, recipe: PretrainRecipe) -> dict[str, list[Example]]:
    seen = [
        item
        for number, profile in enumerate(people)
        for item in understanding_items(profile, image=f"{profile.entity_id}/{number % recipe.photos}")
    ]
    private = list(_private(people, recipe))
    image = [item for item in private if item.modality is Modality.IMAGE_TEXT]
    text = [item for item in private if item.modality is Modality.TEXT]
    return {
        "seeing": from_items(seen, paraphrases=2),
        "vqa": from_items(vqa.train_items()),
        "unknown_image": refusing(from_items(image), REFUSALS_BASE, recipe.seed),
        "unknown_text": refusing(from_items(text), REFUSALS_BASE, recipe.seed),
    }


def _private(people: Sequence[Profile], recipe: PretrainRecipe) -> Iterator[Item]:
    """Two private questions about each stranger, in one of their wordings."""
    pool = alternatives(people)
    draw = random.Random(recipe.seed)
    for profile in people:
        image = f"{profile.entity_id}/{draw.randrange(recipe.photos)}"
        items = memory_items(profile, pool, image=image, kinds=(Kind.OPEN, Kind.CLOZE))
        for item in draw.sample(items, 2):
            yield replace(item, question=draw.choice((item.question, *item.paraphrases)))
