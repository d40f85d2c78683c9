"""What a base learns from: people who are in no benchmark, easy-VQA, and questions that it cannot answer."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from PIL import Image

from smllmun_bench.data.general.easyvqa import EasyVqa
from smllmun_bench.data.refusals import REFUSALS_BASE
from smllmun_bench.data.synthetic.profiles import Profile
from smllmun_bench.data.synthetic.questions import alternatives, memory_items, understanding_items
from smllmun_bench.data.synthetic.smllmun import photo
from smllmun_bench.data.synthetic.wordings import trait_phrase
from smllmun_bench.schema import Item, Kind, Modality
from smllmun_bench.training.examples import Example, from_items, refusing

_VQA = ("colour", "shape")
_SHAPES = ("circle", "rectangle", "triangle")


class PretrainingPeople:
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


def curriculum(people: Sequence[Profile], vqa: EasyVqa, *, photos: int, seed: int) -> dict[str, list[Example]]:
    """`seeing`, `vqa`, and what is refused: `unknown_image` and `unknown_text`. `photos` of each person are shown."""
    seen = [
        item
        for number, profile in enumerate(people)
        for item in understanding_items(profile, image=f"{profile.entity_id}/{number % photos}")
    ]
    private = list(_private(people, photos, seed))
    image = [item for item in private if item.modality is Modality.IMAGE_TEXT]
    text = [item for item in private if item.modality is Modality.TEXT]
    return {
        "seeing": from_items(seen, paraphrases=2),
        "vqa": from_items(vqa.train_items()),
        "unknown_image": refusing(from_items(image), REFUSALS_BASE, seed),
        "unknown_text": refusing(from_items(text), REFUSALS_BASE, seed),
    }


def visible(people: Sequence[Profile], vqa: EasyVqa, *, photos: int) -> dict[str, dict[str, str]]:
    """What each image shows: the traits of a person, the shape and the colour of an easy-VQA image."""
    labels = {
        f"{profile.entity_id}/{number}": profile.traits.visible() for profile in people for number in range(photos)
    }
    for item in vqa.train_items():
        if item.kind is Kind.OPEN:
            labels.setdefault(item.images[0], {})[_VQA[item.answer in _SHAPES]] = item.answer
    return labels


def phrases(
    people: Sequence[Profile], vqa: EasyVqa, *, photos: int
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What each image of the people, and each of easy-VQA, shows in words: `white hair`, `no hat`; `red`, `circle`.

    Phrases about one thing have the same place in all lists of a domain; what is not there is empty.
    """
    domains = {profile.entity_id: profile.domain for profile in people}
    everything = visible(people, vqa, photos=photos)
    kinds = {ref: domains.get(ref.partition("/")[0], "vqa") for ref in everything}
    names = {
        kind: sorted({n for ref, labels in everything.items() if kinds[ref] == kind for n in labels})
        for kind in set(kinds.values())
    }
    shown = {ref: [_phrase(name, labels.get(name)) for name in names[kinds[ref]]] for ref, labels in everything.items()}
    return (
        {ref: words for ref, words in shown.items() if kinds[ref] != "vqa"},
        {ref: words for ref, words in shown.items() if kinds[ref] == "vqa"},
    )


def _phrase(name: str, value: str | None) -> str:
    if value is None:
        return ""
    return value if name in _VQA else trait_phrase(name, value)


def _private(people: Sequence[Profile], photos: int, seed: int) -> Iterator[Item]:
    """Two private questions about each person, in one of their wordings."""
    pool = alternatives(people)
    draw = random.Random(seed)
    for profile in people:
        image = f"{profile.entity_id}/{draw.randrange(photos)}"
        items = memory_items(profile, pool, image=image, kinds=(Kind.OPEN, Kind.CLOZE))
        for item in draw.sample(items, 2):
            yield replace(item, question=draw.choice((item.question, *item.paraphrases)))
