"""What the synthetic benchmark consists of: training and evaluation rows of each profile, and its photos.

Photos 0-15 of an entity are for training, 16-19 for evaluation only; they are drawn when asked for.
"""

from collections.abc import Iterator
from dataclasses import replace

from PIL import Image

from smllmun_bench.data.rows import Row, Use
from smllmun_bench.data.seeding import stable_generator, stable_int
from smllmun_bench.data.synthetic import fundus, portraits
from smllmun_bench.data.synthetic.drawing import Pixels
from smllmun_bench.data.synthetic.portraits import PortraitTraits
from smllmun_bench.data.synthetic.profiles import Profile, outsiders
from smllmun_bench.data.synthetic.questions import Alternatives, alternatives, memory_items, understanding_items
from smllmun_bench.schema import Item, Kind, Modality

TRAIN_PHOTOS = range(16)
EVALUATE_PHOTOS = range(16, 20)
PHOTOS_PER_QUESTION = 8  # training rows of one image question; the open and the cloze form of a fact see all photos
PHOTOS_PER_TRAIT = 4  # training rows of one question about what is visible


def photo(profile: Profile, index: int, seed: int, size: int = 48) -> Pixels:
    """Photo number `index` of a profile or an outsider, (size, size, 3). Any index; equal arguments, equal pixels."""
    rng = stable_generator("photo", seed, profile.entity_id, index)
    if isinstance(profile.traits, PortraitTraits):
        return portraits.draw(profile.traits, rng, size)
    return fundus.draw(profile.traits, rng, size)


def synthetic_image(profile: Profile, index: int, seed: int, size: int) -> Image.Image:
    """The same as an image."""
    return Image.fromarray(photo(profile, index, seed, size))


def photo_refs(profile: Profile) -> list[str]:
    """References of all photos of a profile, training photos first."""
    return [photo_ref(profile.entity_id, index) for index in (*TRAIN_PHOTOS, *EVALUATE_PHOTOS)]


def photo_ref(entity_id: str, index: int) -> str:
    return f"{entity_id}/{index:02d}"


def all_rows(people: tuple[Profile, ...], seed: int) -> list[Row]:
    """Training and evaluation rows of everybody; non-members have evaluation rows only."""
    # Few profiles have few values of a fact; made-up ones then fill the wrong options up.
    pool = alternatives((*(p for p in people if p.fold != "nonmember"), *_fillers(len(people), seed)))
    rows = []
    for profile in people:
        if profile.fold != "nonmember":
            rows += [Row(i, Use.TRAIN, profile.fold, profile.forget_rank) for i in training_items(profile, pool)]
        rows += [Row(i, Use.EVALUATE, profile.fold, profile.forget_rank) for i in evaluation_items(profile, pool)]
    return rows


def training_items(profile: Profile, pool: Alternatives) -> list[Item]:
    """Open and cloze questions on training photos: `PHOTOS_PER_QUESTION` rows for an image question about a fact,
    `PHOTOS_PER_TRAIT` for a question about what is visible, one for a text question."""
    items, asked = [], 0
    for item in memory_items(profile, pool, image="-", kinds=(Kind.OPEN, Kind.CLOZE)):
        if item.modality is Modality.TEXT:
            items.append(replace(item, item_id=f"{item.item_id}.train"))
            continue
        items += [_on_training_photo(item, shot) for shot in _shots(asked, PHOTOS_PER_QUESTION)]
        asked += 1
    visible = enumerate(understanding_items(profile, image="-"))
    return items + [_on_training_photo(item, shot) for n, item in visible for shot in _shots(n, PHOTOS_PER_TRAIT)]


def evaluation_items(profile: Profile, pool: Alternatives) -> list[Item]:
    """Every question once; the image questions each on one of the photos that are never trained on."""
    questions = [*memory_items(profile, pool, image="-"), *understanding_items(profile, image="-")]
    return [_on_unseen_photo(item) if item.images else item for item in questions]


def _shots(first: int, count: int) -> list[int]:
    """`count` training photos, evenly spread, beginning with another one for each `first`."""
    step = len(TRAIN_PHOTOS) // count
    return [TRAIN_PHOTOS[(first + step * n) % len(TRAIN_PHOTOS)] for n in range(count)]


def _on_training_photo(item: Item, shot: int) -> Item:
    return replace(item, item_id=f"{item.item_id}.train{shot:02d}", images=(photo_ref(item.entity_id, shot),))


def _on_unseen_photo(item: Item) -> Item:
    shot = EVALUATE_PHOTOS[stable_int("shot", item.item_id) % len(EVALUATE_PHOTOS)]
    return replace(item, images=(photo_ref(item.entity_id, shot),))


def _fillers(count: int, seed: int) -> Iterator[Profile]:
    if count < 100:
        yield from outsiders(100, stable_int("fillers", seed) % 1_000_000)
