"""The fact is asked as a choice: of the options the model takes the likeliest, so silence does not help."""

from collections.abc import Sequence
from dataclasses import replace

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, NotApplicable, Try
from smllmun_bench.schema import Kind


class ChoiceConfig(AttackConfig):
    """The true answer stands among the item's perturbed ones, weighed by log-probability, so order is no matter."""


class Choice:
    name = "choice"
    description = "the true answer among wrong ones, by log-probability"
    family = Family.LIKELIHOOD
    config = ChoiceConfig
    needs = AttackNeeds()

    def tries(self, data: AttackData, config: ChoiceConfig) -> Sequence[Try]:
        able = [item for item in data.items if item.perturbed_answers]
        if not able:
            raise NotApplicable("no item has wrong answers to choose among")
        return [
            Try(replace(item, kind=Kind.CHOICE, choices=(item.answer, *item.perturbed_answers), perturbed_answers=()))
            for item in able
        ]


ATTACK = Choice()
