"""A control: the question about a picture, without the picture."""

from collections.abc import Sequence
from dataclasses import replace

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, Try
from smllmun_bench.attacks.shared.wording import with_pictures
from smllmun_bench.schema import Modality


class NoPhotoConfig(AttackConfig):
    """Nothing can be set: there is no picture."""


class NoPhoto:
    """What still comes back is guessed from the words. No attack that could succeed: it reads the others."""

    name = "no-photo"
    description = "control: the question about a picture without it"
    family = Family.PICTURE
    config = NoPhotoConfig
    needs = AttackNeeds()

    def tries(self, data: AttackData, config: NoPhotoConfig) -> Sequence[Try]:
        return [Try(replace(item, images=(), modality=Modality.TEXT)) for item in with_pictures(data.items)]


ATTACK = NoPhoto()
