"""Suppression by words alone: a sentence in front of each question, or a list of names that are not let through."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from smllmun_bench.errors import UserError
from smllmun_bench.models.change import Settings
from smllmun_bench.models.prompt_filter import PromptFilter, filtering

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.models.vlm import Query, Vlm
    from smllmun_bench.schema import Item


def forgotten_names(items: "Sequence[Item]", method: str) -> list[str]:
    """The names of the forget set as its rows spell them. Raises UserError if no row has one."""
    names = list(dict.fromkeys(item.subject.strip() for item in items if item.subject.strip()))
    if not names:
        raise UserError(
            f"{method} looked for names in the column 'subject' of {len(items)} forget rows and found none",
            fix="forget rows whose 'subject' is the name as question or answer spells it",
        )
    return names


@contextmanager
def preamble(vlm: "Vlm", tensors: "Mapping[str, Tensor]", settings: Settings) -> "Iterator[Vlm]":
    """`settings.text` stands before every question, in the turn of the user."""

    def rewrite(query: "Query") -> "Query":
        return replace(query, question=f"{settings['text']}{query.question}")

    with filtering(vlm, PromptFilter(rewrite=rewrite)):
        yield vlm


@contextmanager
def name_filter(vlm: "Vlm", tensors: "Mapping[str, Tensor]", settings: Settings) -> "Iterator[Vlm]":
    """`settings.refusal` is said where one of `settings.names` stands in what `settings.look_at` names."""
    names, refusal, where = pattern(settings["names"]), settings["refusal"], settings["look_at"]

    def refuse(query: "Query", answer: str | None) -> str | None:
        if answer is None:
            return refusal if where != "answer" and names.search(query.question) else None
        return refusal if where != "question" and names.search(answer) else None

    with filtering(vlm, PromptFilter(refuse=refuse)):
        yield vlm


def pattern(names: Sequence[str]) -> re.Pattern[str]:
    """One of the names as whole words, in any case and with any white space between its parts."""
    one = ("\\s+".join(map(re.escape, name.split())) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{'|'.join(one)})(?!\w)", re.IGNORECASE)
