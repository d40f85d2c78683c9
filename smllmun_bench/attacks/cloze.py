"""The fact as a sentence, by log-probability: the true one among the same with wrong answers."""

from collections.abc import Sequence
from dataclasses import replace

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, NotApplicable, Try
from smllmun_bench.schema import Item, Kind


class ClozeConfig(AttackConfig):
    """Nothing can be set: sentence and wrong answers are the item's."""


class Cloze:
    """Of the statement of the answer and the same with each wrong answer in its place, the model takes the likeliest.

    All differ in the blank alone, so a sentence is preferred for what stands in it.
    """

    name = "cloze"
    description = "the statement of the fact among the same with wrong answers, by log-probability"
    family = Family.LIKELIHOOD
    config = ClozeConfig
    needs = AttackNeeds()

    def tries(self, data: AttackData, config: ClozeConfig) -> Sequence[Try]:
        found = [statements(item) for item in data.items]
        tries = [Try(_choice(item, some)) for item, some in zip(data.items, found, strict=True) if len(some) > 1]
        if not tries:
            raise NotApplicable("no item has both a statement of its answer and wrong answers")
        return tries


def statements(item: Item) -> tuple[str, ...]:
    """The true one, then the false ones; none where the statement does not hold the answer as it is written."""
    if item.answer not in item.paraphrased_answer:
        return ()
    before, _, after = item.paraphrased_answer.partition(item.answer)
    return tuple(dict.fromkeys(f"{before}{answer}{after}" for answer in (item.answer, *item.perturbed_answers)))


def _choice(item: Item, options: tuple[str, ...]) -> Item:
    return replace(
        item, kind=Kind.CHOICE, answer=options[0], accepted=(), choices=options, perturbed_answers=(), paraphrases=()
    )


ATTACK = Cloze()
