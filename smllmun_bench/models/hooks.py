"""Forward hooks: what one may read and change between the layers, and who stands where in the batch that passes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch import nn

    from smllmun_bench.models.encoding import Encoded
    from smllmun_bench.models.vlm import Vlm


@dataclass(frozen=True, slots=True)
class BatchLayout:
    """Who sits in which row of the batch in the forward pass, for hooks that treat each question by itself.

    Row r is `items[r]`; its prompt stands at `begin[r]` up to, without, `end[r]`. `ids` is (rows, length). Decode
    steps pass with the same layout and a length of 1.
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
def one_row_per_question(vlm: "Vlm") -> Iterator[None]:
    """Inside the block every question has a row of its own, and `vlm.layout` tells hooks who sits where.

    What a hook does to one question must not reach another that shares its image, so nothing is shared.
    """
    before = vlm.one_per_row
    vlm.one_per_row = True
    try:
        yield
    finally:
        vlm.one_per_row = before


Change = Callable[[BatchLayout, Tensor], Tensor]
"""(layout, hidden states (rows, length, width)) -> the hidden states that go on."""


@contextmanager
def at_prefill(vlm: "Vlm", module: "nn.Module", change: Change, *, after: bool = False) -> Iterator[None]:
    """What enters `module` (or leaves it, with `after`) goes through `change` while prompts are read.

    Decode steps pass untouched: what was changed acts on them through the cache. Used inside `one_row_per_question`.
    """

    def changed(hidden: Tensor) -> Tensor:
        layout = vlm.layout
        if layout is None:
            raise RuntimeError("a hook that treats each question by itself ran outside `one_row_per_question`")
        return change(layout, hidden) if hidden.shape[1] == layout.ids.shape[1] else hidden

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
