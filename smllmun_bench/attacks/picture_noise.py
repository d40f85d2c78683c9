"""Noise lies over the picture."""

from collections.abc import Sequence
from dataclasses import replace

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, Try
from smllmun_bench.attacks.shared.wording import with_pictures
from smllmun_bench.data.alterations import noisy


class PictureNoiseConfig(AttackConfig):
    levels: tuple[float, ...] = (0.05,)  # standard deviation, as a share of the range of a channel


class PictureNoise:
    """The same noise for every model: it depends on the picture and the level alone."""

    name = "picture-noise"
    description = "noise over the picture"
    family = Family.PICTURE
    config = PictureNoiseConfig
    needs = AttackNeeds()

    def tries(self, data: AttackData, config: PictureNoiseConfig) -> Sequence[Try]:
        return [
            Try(replace(item, images=tuple(noisy(ref, share) for ref in item.images)))
            for item in with_pictures(data.items)
            for share in config.levels
        ]


ATTACK = PictureNoise()
