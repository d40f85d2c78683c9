"""What is left when the method's adapter, hook or filter is taken off? The target itself, with all that it knew.

Test-time methods fall to this at once: their weights are the target's, and whoever has the files runs them without.
"""

from collections.abc import Sequence

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, Try


class RemovalConfig(AttackConfig):
    """There is nothing to set: it comes off or it does not."""


class Removal:
    name = "removal"
    description = "adapter, hook or filter taken off; a change of the weights themselves stays (n/a)"
    family = Family.WEIGHTS
    config = RemovalConfig
    needs = AttackNeeds(removable=True)

    def tries(self, data: AttackData, config: RemovalConfig) -> Sequence[Try]:
        return [Try(item) for item in data.items]


ATTACK = Removal()
