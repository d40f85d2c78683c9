"""Only the middle of the picture is shown."""

from collections.abc import Sequence
from dataclasses import replace

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, Try
from smllmun_bench.attacks.shared.wording import with_pictures
from smllmun_bench.data.alterations import cropped


class CropConfig(AttackConfig):
    shares: tuple[float, ...] = (0.8,)  # of width and height that are left


class Crop:
    """At the size of the whole, so that a model looks at as many patches."""

    name = "crop"
    description = "the middle of the picture"
    family = Family.PICTURE
    config = CropConfig
    needs = AttackNeeds()

    def tries(self, data: AttackData, config: CropConfig) -> Sequence[Try]:
        return [
            Try(replace(item, images=tuple(cropped(ref, share) for ref in item.images)))
            for item in with_pictures(data.items)
            for share in config.shares
        ]


ATTACK = Crop()
