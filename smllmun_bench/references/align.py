"""A base for the middle tier: a pretrained language model is given a vision tower and learns to speak of what it sees.

It meets no profile. What is trained is the projector, and adapters on the decoder; the tower was trained before and the
language model's own weights stay. Instructions that it answers as it did before keep its general language.
"""

from pathlib import Path

from smllmun_bench.data.general.easyvqa import EasyVqa
from smllmun_bench.data.general.language import GeneralLanguage
from smllmun_bench.data.synthetic.profiles import outsiders
from smllmun_bench.models.change import Artifact
from smllmun_bench.models.loading import load
from smllmun_bench.models.pretrained import read
from smllmun_bench.references.embedding_alignment import align_embeddings
from smllmun_bench.references.joining import join
from smllmun_bench.references.pretraining_people import PretrainingPeople, curriculum, phrases
from smllmun_bench.references.recipes import AlignRecipe
from smllmun_bench.references.rehearsal import rehearse
from smllmun_bench.training.artifact import as_artifact
from smllmun_bench.training.examples import from_items
from smllmun_bench.training.loop import Progress, cross_entropy, train


def align(language: Path, vision: Path, recipe: AlignRecipe, scratch: Path, progress: Progress) -> Artifact:
    """What the joint learns. `language` and `vision` are model folders; `scratch` is a folder to work in."""
    from transformers import AutoConfig

    people = outsiders(recipe.strangers, recipe.seed)
    vqa = EasyVqa()
    join(language, vision, scratch)
    size = read(AutoConfig, scratch).vision_config.image_size
    vlm = load(scratch, PretrainingPeople(people, vqa, seed=recipe.seed, image_size=size))
    streams = curriculum(people, vqa, photos=recipe.photos, seed=recipe.seed)
    sizes = {
        "seeing": recipe.seeing,
        "vqa": recipe.vqa,
        "unknown_image": recipe.unknown,
        "unknown_text": recipe.unknown,
    }
    if recipe.speaking:
        streams["speaking"], sizes["speaking"] = from_items(GeneralLanguage().train_items()), recipe.speaking
    if recipe.replay:
        streams["replay"], sizes["replay"] = rehearse(vlm), recipe.replay
    words = phrases(people, vqa, photos=recipe.photos)
    projection = Artifact("delta", align_embeddings(vlm, words, recipe.spelling, seed=recipe.seed, progress=progress))
    with projection.mounted(vlm):
        update = train(vlm, streams, cross_entropy, recipe.training, seed=recipe.seed, progress=progress, sizes=sizes)
    return as_artifact(update).after(projection)
