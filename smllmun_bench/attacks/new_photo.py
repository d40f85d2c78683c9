"""Another photo of the same person, which no method was given."""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import PositiveInt

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, NotApplicable, Try
from smllmun_bench.attacks.shared.wording import with_pictures


class NewPhotoConfig(AttackConfig):
    photos: PositiveInt = 2  # further photos of each person, one try each


class NewPhoto:
    name = "new-photo"
    description = "another photo of the same person"
    family = Family.PICTURE
    config = NewPhotoConfig
    needs = AttackNeeds(photos=True)

    def tries(self, data: AttackData, config: NewPhotoConfig) -> Sequence[Try]:
        tries = [
            Try(replace(item, images=(photo, *item.images[1:])))
            for item in with_pictures(data.items)
            for photo in data.photos.get(item.images[0], ())[: config.photos]
        ]
        if not tries:
            raise NotApplicable("there is no second photo of anybody")
        return tries


ATTACK = NewPhoto()
