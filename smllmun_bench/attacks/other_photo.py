"""A control: a retained person's photo under a question about a forgotten one."""

from collections.abc import Sequence
from dataclasses import replace

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, Try
from smllmun_bench.attacks.shared.people import photo_of_somebody_else
from smllmun_bench.attacks.shared.wording import with_pictures


class OtherPhotoConfig(AttackConfig):
    """Whose photo it is depends on the seed and the item alone."""


class OtherPhoto:
    """What still comes back does not come from the face. No attack that could succeed: it reads the others."""

    name = "other-photo"
    description = "control: a retained person's photo in place of the forgotten one's"
    family = Family.PICTURE
    config = OtherPhotoConfig
    needs = AttackNeeds()

    def tries(self, data: AttackData, config: OtherPhotoConfig) -> Sequence[Try]:
        items = with_pictures(data.items)
        return [Try(replace(item, images=(photo_of_somebody_else(item, data), *item.images[1:]))) for item in items]


ATTACK = OtherPhoto()
