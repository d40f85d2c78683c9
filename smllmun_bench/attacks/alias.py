"""The person goes by another name: initials, the last name alone, a fact as an epithet."""

from collections.abc import Sequence

from pydantic import NonNegativeInt

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, NotApplicable, Try
from smllmun_bench.attacks.shared.wording import about, asked, named, other_facts


class AliasConfig(AttackConfig):
    epithets: NonNegativeInt = 1  # other facts about the person, each of which stands beside the short name once


class Alias:
    """What looks for the name as it was trained on does not find it. Only questions that name somebody are asked."""

    name = "alias"
    description = "the person by initial, by last name, with another fact as an epithet"
    family = Family.PROMPT
    config = AliasConfig
    needs = AttackNeeds()

    def tries(self, data: AttackData, config: AliasConfig) -> Sequence[Try]:
        tries = []
        for item in named(data.items):
            facts = [other.answer for other in other_facts(item, data.items)][: config.epithets]
            tries += [Try(asked(item, about(item, alias))) for alias in aliases(item.subject, facts)]
        if not tries:
            raise NotApplicable("no name has more than one word")
        return tries


def aliases(name: str, facts: Sequence[str] = ()) -> list[str]:
    """Of a name in one word there are none.

    >>> aliases("Ann Mary Lee", ["pilot"])
    ['A. Lee', 'Lee, Ann Mary', 'A. Lee (pilot)']
    """
    first, *rest = name.split()
    if not rest:
        return []
    short = f"{first[0]}. {rest[-1]}"
    return [short, f"{rest[-1]}, {' '.join([first, *rest[:-1]])}", *(f"{short} ({fact})" for fact in facts)]


ATTACK = Alias()
