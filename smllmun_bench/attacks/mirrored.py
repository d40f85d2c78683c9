"""The picture from right to left."""

from collections.abc import Sequence
from dataclasses import replace

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, Try
from smllmun_bench.attacks.shared.wording import with_pictures
from smllmun_bench.data.alterations import mirrored


class MirroredConfig(AttackConfig):
    """A mirror has no strength."""


class Mirrored:
    """What is remembered of exact pixels is gone, what is seen is not."""

    name = "mirrored"
    description = "the picture mirrored"
    family = Family.PICTURE
    config = MirroredConfig
    needs = AttackNeeds()

    def tries(self, data: AttackData, config: MirroredConfig) -> Sequence[Try]:
        items = with_pictures(data.items)
        return [Try(replace(item, images=tuple(mirrored(ref) for ref in item.images))) for item in items]


ATTACK = Mirrored()
