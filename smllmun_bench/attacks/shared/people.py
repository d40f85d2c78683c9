"""Other people's photos."""

from smllmun_bench.attacks.base import AttackData, NotApplicable
from smllmun_bench.data.seeding import stable_random
from smllmun_bench.schema import Item


def photos_of_others(item: Item, data: AttackData, count: int) -> list[str]:
    """One photo each of `count` retained people, of the item's group where it has so many.

    Who they are depends on the seed and the item alone. Raises NotApplicable where there are fewer people.
    """
    first: dict[str, Item] = {}
    for other in data.others:
        if other.images:
            first.setdefault(other.entity_id, other)
    if len(first) < count:
        raise NotApplicable(f"{len(first)} retained people have a photo, {count} are needed")
    people = stable_random("photos", data.seed, item.item_id).sample(sorted(first), len(first))
    alike = sorted(people, key=lambda entity: first[entity].group != item.group)
    return [first[entity].images[0] for entity in alike[:count]]


def photo_of_somebody_else(item: Item, data: AttackData) -> str:
    [photo] = photos_of_others(item, data, 1)
    return photo
