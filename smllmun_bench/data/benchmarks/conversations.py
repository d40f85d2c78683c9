"""Dialogues as LLaVA and OpenAI-style files store them: turns of a person and of a model."""

import re
from collections.abc import Sequence
from typing import Self

from pydantic import model_validator

from smllmun_bench.data.tables import Upstream

_PERSON, _MODEL = ("human", "user"), ("gpt", "assistant")
_SLOT = re.compile(r"[ \t]*<image>[ \t]*")
_BEFORE_MARK = re.compile(r"[ \t]+(?=[?.!,;:])")


class Turn(Upstream):
    """`from`/`value` (LLaVA) or `role`/`content` (OpenAI)."""

    speaker: str
    text: str

    @model_validator(mode="before")
    @classmethod
    def _either(cls, value: object) -> object:
        if isinstance(value, dict) and "speaker" not in value:
            names = ("from", "value") if "from" in value else ("role", "content")
            missing = [name for name in names if name not in value]
            if missing:
                raise ValueError(f"{missing[0]!r} is missing")
            return {"speaker": value[names[0]], "text": value[names[1]]}
        return value

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.speaker not in (*_PERSON, *_MODEL, "system"):
            raise ValueError(f"unknown speaker {self.speaker!r}")
        return self


def questions(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """(question, answer) of each exchange, without image slots."""
    pairs = []
    asked = ""
    for turn in turns:
        text = _without_slots(turn.text)
        if turn.speaker in _PERSON:
            asked = text
        elif turn.speaker in _MODEL and asked:
            pairs.append((asked, text))
            asked = ""
    return pairs


def _without_slots(text: str) -> str:
    """The text without the places where pictures go.

    >>> _without_slots("<image>\\nWho is shown here <image>?"), _without_slots("Is the man in <image> the coach?")
    ('Who is shown here?', 'Is the man in the coach?')
    """
    if "<image>" not in text:
        return text.strip()
    return _BEFORE_MARK.sub("", _SLOT.sub(" ", text)).strip()
