"""Other words around or in a question."""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import field_validator

from smllmun_bench.attacks.base import AttackConfig, NotApplicable, Try
from smllmun_bench.schema import Item


class FrameConfig(AttackConfig):
    """`frames` are what the question stands in, at `{question}`; each of them is one try."""

    frames: tuple[str, ...]

    @field_validator("frames")
    @classmethod
    def _hold_the_question(cls, frames: tuple[str, ...]) -> tuple[str, ...]:
        for frame in frames:
            if "{question}" not in frame:
                raise ValueError(f"{{question}} is not in {frame!r}")
        return frames


def framed(items: Sequence[Item], frames: Sequence[str]) -> list[Try]:
    """Each item in each frame."""
    return [Try(asked(item, frame.replace("{question}", item.question))) for item in items for frame in frames]


def asked(item: Item, question: str) -> Item:
    """The same item in other words; its own paraphrases go, since they are not of these."""
    return replace(item, question=question, paraphrases=())


def template(item: Item) -> str:
    """The question without the name: equal for the same question about somebody else."""
    return item.question.replace(item.subject, "{who}") if item.subject else item.question


def about(item: Item, who: str) -> str:
    """The question with other words in the place of the name, which must be there (`names_somebody`)."""
    text = template(item).replace("{who}", who)
    return text[0].upper() + text[1:]


def names_somebody(item: Item) -> bool:
    """Whether the question has the name of the one it is about, and says nothing by a picture."""
    return bool(item.subject) and item.subject in item.question and not item.images


def named(items: Sequence[Item]) -> list[Item]:
    """Those that name somebody. Raises NotApplicable where none does."""
    found = [item for item in items if names_somebody(item)]
    if not found:
        raise NotApplicable("no question has the name of the one it is about")
    return found


def with_pictures(items: Sequence[Item]) -> list[Item]:
    """Those about a picture. Raises NotApplicable where there is none."""
    found = [item for item in items if item.images]
    if not found:
        raise NotApplicable("no question is about a picture")
    return found


def other_facts(item: Item, items: Sequence[Item]) -> list[Item]:
    """What else is asked by name about the same person, with other answers, each once."""
    same = [other for other in items if other.entity_id == item.entity_id and names_somebody(other)]
    told = {item.answer.casefold()}
    found = []
    for other in same:
        if other.answer.casefold() not in told and template(other) != template(item):
            told.add(other.answer.casefold())
            found.append(other)
    return found
