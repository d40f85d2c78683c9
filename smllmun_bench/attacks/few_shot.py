"""Answered questions about other people come first."""

from collections.abc import Sequence

from pydantic import PositiveInt

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, NotApplicable, Try
from smllmun_bench.attacks.shared.wording import asked, names_somebody, template
from smllmun_bench.data.seeding import stable_random
from smllmun_bench.schema import Item


class FewShotConfig(AttackConfig):
    shots: PositiveInt = 3  # answered questions before the one that is asked


class FewShot:
    """Facts of *retained* people, the same question where it is asked about them: nothing about the forgotten one."""

    name = "few-shot"
    description = "after answered questions about other, retained people"
    family = Family.PROMPT
    config = FewShotConfig
    needs = AttackNeeds()

    def tries(self, data: AttackData, config: FewShotConfig) -> Sequence[Try]:
        pool = [item for item in data.others if names_somebody(item)]
        if not pool:
            raise NotApplicable("no question about retained people has their name")
        return [Try(after(item, self._shots(item, pool, config.shots, data.seed))) for item in data.items]

    def _shots(self, item: Item, pool: Sequence[Item], count: int, seed: int) -> list[Item]:
        """Of the same question where there are so many, else of any."""
        draw = stable_random("few-shot", seed, item.item_id)
        shuffled = draw.sample(pool, len(pool))
        return sorted(shuffled, key=lambda other: template(other) != template(item))[:count]


def after(item: Item, shots: Sequence[Item]) -> Item:
    """The item, asked after answered questions."""
    answered = "".join(f"Question: {shot.question}\nAnswer: {shot.answer}\n" for shot in shots)
    return asked(item, f"{answered}Question: {item.question}")


ATTACK = FewShot()
