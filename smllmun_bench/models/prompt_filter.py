"""What stands between the questions and the model: words are changed or answers refused, the model never is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smllmun_bench.models.answering import Query

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm


def _as_asked(query: Query) -> Query:
    return query


def _never(query: Query, answer: str | None) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class PromptFilter:
    """Words are changed here, the model never is.

    `rewrite` turns each question into the one that the model is asked. `refuse` is asked twice: with no answer, before
    the model is, and with the answer that it gave; a text is said instead, None lets the question or answer pass.
    An answer that is refused has the probability of a blind guess when it is scored: 1/V for each token of a
    vocabulary of V, so that a refusal tells nothing about what lies behind it.
    """

    rewrite: Callable[[Query], Query] = _as_asked
    refuse: Callable[[Query, str | None], str | None] = _never


@contextmanager
def filtering(vlm: "Vlm", prompt_filter: PromptFilter) -> "Iterator[Vlm]":
    """Inside the block everything goes through `prompt_filter`; of several, the one put up last is met first."""
    before = vlm.prompt_filters
    vlm.prompt_filters = (prompt_filter, *before)
    try:
        yield vlm
    finally:
        vlm.prompt_filters = before
