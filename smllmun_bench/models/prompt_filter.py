"""What stands between the questions and the model: words are changed or answers refused, the model never is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Query, Vlm


def _as_asked(query: "Query") -> "Query":
    return query


def _never(query: "Query", answer: str | None) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class PromptFilter:
    """Words are changed here, the model never is.

    `rewrite` turns each question into the one that the model is asked. `refuse` is asked twice: with no answer, before
    the model is, and with the answer that it gave; a text is said instead, None lets the question or answer pass.
    An answer that is refused has the probability of a blind guess when it is weighed: 1/V for each token of a
    vocabulary of V, so that a refusal tells nothing about what lies behind it.
    """

    rewrite: "Callable[[Query], Query]" = _as_asked
    refuse: "Callable[[Query, str | None], str | None]" = _never


@contextmanager
def filtering(vlm: "Vlm", door: PromptFilter) -> "Iterator[Vlm]":
    """Inside the block everything goes through `door`; of several, the one opened last is met first."""
    before = vlm.prompt_filters
    vlm.prompt_filters = (door, *before)
    try:
        yield vlm
    finally:
        vlm.prompt_filters = before
