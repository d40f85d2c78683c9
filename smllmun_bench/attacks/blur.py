"""The picture is out of focus."""

from collections.abc import Sequence
from dataclasses import replace

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, Try
from smllmun_bench.attacks.shared.wording import with_pictures
from smllmun_bench.data.alterations import blurred


class BlurConfig(AttackConfig):
    radii: tuple[float, ...] = (0.02,)  # of the shorter side


class Blur:
    """Each radius is one try."""

    name = "blur"
    description = "the picture blurred"
    family = Family.PICTURE
    config = BlurConfig
    needs = AttackNeeds()

    def tries(self, data: AttackData, config: BlurConfig) -> Sequence[Try]:
        return [
            Try(replace(item, images=tuple(blurred(ref, share) for ref in item.images)))
            for item in with_pictures(data.items)
            for share in config.radii
        ]


ATTACK = Blur()
