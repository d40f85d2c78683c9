"""What a mounted artifact may stand in: between the questions and the model, and between its layers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch import nn

    from smllmun_bench.models.encoding import Encoded
    from smllmun_bench.models.vlm import Query, Vlm


def _as_asked(query: "Query") -> "Query":
    return query


def _never(query: "Query", answer: str | None) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Door:
    """Words are changed here, the model never is.

    `rewrite` turns each question into the one that the model is asked. `refuse` is asked twice: with no answer, before
    the model is, and with the answer that it gave; a text is said instead, None lets the question or answer pass.
    An answer that is refused has the probability of a blind guess when it is weighed: 1/V for each token of a
    vocabulary of V, so that a refusal tells nothing about what lies behind it.
    """

    rewrite: "Callable[[Query], Query]" = _as_asked
    refuse: "Callable[[Query, str | None], str | None]" = _never


@contextmanager
def opened(vlm: "Vlm", door: Door) -> "Iterator[Vlm]":
    """Inside the block everything goes through `door`; of several, the one opened last is met first."""
    before = vlm.doors
    vlm.doors = (door, *before)
    try:
        yield vlm
    finally:
        vlm.doors = before


@dataclass(frozen=True, slots=True)
class Seats:
    """Who sits in which row of the batch in the forward pass, for hooks that treat each question by itself.

    Row r is `items[r]`; its prompt stands at `begin[r]` up to, without, `end[r]`. `ids` is (rows, length). Decode
    steps pass with the same seats and a length of 1.
    """

    items: "tuple[Encoded, ...]"
    ids: Tensor
    begin: Tensor
    end: Tensor

    def prompt(self) -> Tensor:
        """(rows, length): True on the tokens of the prompts, without padding and answers."""
        at = torch.arange(self.ids.shape[1])
        return (at >= self.begin[:, None]) & (at < self.end[:, None])


@contextmanager
def seated(vlm: "Vlm") -> Iterator[None]:
    """Inside the block every question has a row of its own, and `vlm.seats` tells hooks who sits where.

    What a hook does to one question must not reach another that shares its image, so nothing is shared.
    """
    before = vlm.one_per_row
    vlm.one_per_row = True
    try:
        yield
    finally:
        vlm.one_per_row = before


Change = Callable[[Seats, Tensor], Tensor]
"""(seats, hidden states (rows, length, width)) -> the hidden states that go on."""


@contextmanager
def at_prefill(vlm: "Vlm", module: "nn.Module", change: Change, *, after: bool = False) -> Iterator[None]:
    """What enters `module` (or leaves it, with `after`) goes through `change` while prompts are read.

    Decode steps pass untouched: what was changed acts on them through the cache. Used inside `seated`.
    """

    def changed(hidden: Tensor) -> Tensor:
        seats = vlm.seats
        if seats is None:
            raise RuntimeError("a hook that treats each question by itself ran outside `seated`")
        return change(seats, hidden) if hidden.shape[1] == seats.ids.shape[1] else hidden

    def before(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (changed(args[0]), *args[1:]), kwargs
        return args, kwargs | {"hidden_states": changed(kwargs["hidden_states"])}

    def behind(_: Any, args: Any, output: Any) -> Any:
        return (changed(output[0]), *output[1:]) if isinstance(output, tuple) else changed(output)

    handle = (
        module.register_forward_hook(behind) if after else module.register_forward_pre_hook(before, with_kwargs=True)
    )
    try:
        yield
    finally:
        handle.remove()
