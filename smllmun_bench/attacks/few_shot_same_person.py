"""The same person's other facts come first, answered: does one memory pull out the next?"""

from collections.abc import Sequence

from pydantic import PositiveInt

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, NotApplicable, Try
from smllmun_bench.attacks.few_shot import after
from smllmun_bench.attacks.shared.wording import other_facts


class FewShotSamePersonConfig(AttackConfig):
    shots: PositiveInt = 3  # other facts about the same person before the one that is asked


class FewShotSamePerson:
    """Gold is told the same facts: what it can guess from them is no memory."""

    name = "few-shot-same-person"
    description = "after the same person's other facts, answered"
    family = Family.PROMPT
    config = FewShotSamePersonConfig
    needs = AttackNeeds()

    def tries(self, data: AttackData, config: FewShotSamePersonConfig) -> Sequence[Try]:
        told = [(item, other_facts(item, data.items)[: config.shots]) for item in data.items]
        tries = [Try(after(item, shots)) for item, shots in told if shots]
        if not tries:
            raise NotApplicable("no second fact about the same person is asked by name")
        return tries


ATTACK = FewShotSamePerson()
