"""A chain of hints: more and more of the answer's shape is told, never a whole word of it."""

from collections.abc import Sequence

from pydantic import PositiveInt

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, Try
from smllmun_bench.attacks.shared.wording import asked


class HintsConfig(AttackConfig):
    chain: PositiveInt = 3  # hints at most: how many words, the first letter, the beginning of each word


class Hints:
    """One try after each link of the chain. Gold gets the same hints: what can be guessed from them is no memory."""

    name = "hints"
    description = "a chain of hints: number of words, first letter, beginnings"
    family = Family.PROMPT
    config = HintsConfig
    needs = AttackNeeds()

    def tries(self, data: AttackData, config: HintsConfig) -> Sequence[Try]:
        tries = []
        for item in data.items:
            given = hints(item.answer)[: config.chain]
            for count in range(1, len(given) + 1):
                tries.append(Try(asked(item, f"{item.question} {' '.join(given[:count])}")))
        return tries


def hints(answer: str) -> list[str]:
    """From the weakest to the strongest.

    >>> hints("Port Ann")
    ['Hint: the answer has 2 words.', 'It begins with "P".', 'Its words begin with "Po", "A".']
    >>> hints("7 May")[1:]
    ['It begins with "7".', 'Its words begin with "M".']
    """
    words = answer.split()
    starts = [word[: (len(word) + 1) // 2 if len(word) < 4 else 2] for word in words]
    told = [f'"{_shorter(start, word)}"' for start, word in zip(starts, words, strict=True) if len(word) > 1]
    count = "1 word" if len(words) == 1 else f"{len(words)} words"
    chain = [f"Hint: the answer has {count}."]
    if len(answer) > 1:
        chain.append(f'It begins with "{answer[0]}".')
    if told:
        chain.append(f"Its words begin with {', '.join(told)}.")
    return chain


def _shorter(start: str, word: str) -> str:
    """At most the first half of a word: a hint never holds one."""
    return start[: max(1, min(len(start), len(word) // 2))]


ATTACK = Hints()
