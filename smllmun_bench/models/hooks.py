"""Forward hooks: what one may read and change between the layers, and who stands where in the batch that passes.

All hooks of this package are put in place here and are gone when their block ends, however it ends.

Under gradient checkpointing the backward pass runs parts of the forward pass again, by which time the batch has passed
and hooks may be gone. `recomputation` makes such a second pass equal to the first: it sees the same batch and the same
edits, and what was read once is not read again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.hooks import RemovableHandle

    from smllmun_bench.models.encoding import Encoded
    from smllmun_bench.models.packing import Packed
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


Side = Literal["input", "output"]


def current_batch(vlm: "Vlm") -> "Packed":
    """The batch in the forward pass, for the hooks in its way."""
    if vlm.current_batch is None:
        raise RuntimeError("a hook that needs the batch ran outside `score_answers`")
    return vlm.current_batch


@contextmanager
def reading(vlm: "Vlm", module: "nn.Module", listen: Callable[[Tensor], None], *, side: Side) -> Iterator[None]:
    """`listen` is called with what enters `module`, or leaves it, once for every forward pass over a batch."""

    def heard(hidden: Tensor) -> Tensor:
        if not vlm.recomputing:
            with torch.autograd.graph.saved_tensors_hooks(_itself, _itself):  # no part of what is recomputed
                listen(hidden)
        return hidden

    with _mounted(_hook(module, heard, side)):
        yield


@contextmanager
def reading_layers(
    vlm: "Vlm", names: Sequence[str], listen: Callable[[str, Tensor], None], *, side: Side
) -> Iterator[None]:
    """The same at several modules; `listen` is called with the name of the one that ran."""
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(reading(vlm, vlm.model.get_submodule(name), partial(listen, name), side=side))
        yield


@contextmanager
def editing(
    vlm: "Vlm",
    module: "nn.Module",
    change: Callable[[Tensor], Tensor],
    *,
    side: Side,
    first: bool = False,
    keyword: str = "hidden_states",
) -> Iterator[None]:
    """What enters `module`, or leaves it, goes through `change`.

    A pass that began inside the block is recomputed with the change even after the block. `first`: before all other
    hooks that are there. `keyword` is the name of the input where it is not passed by position.
    """
    edit = Edit(module, change, side, first, keyword)
    vlm.edits = (*vlm.edits, edit)
    try:
        with _mounted(edit.hook(vlm)):
            yield
    finally:
        vlm.edits = tuple(other for other in vlm.edits if other is not edit)


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """One change at one module, as `editing` was told."""

    module: "nn.Module"
    change: Callable[[Tensor], Tensor]
    side: Side
    first: bool
    keyword: str

    def hook(self, vlm: "Vlm") -> "RemovableHandle":
        def changed(hidden: Tensor) -> Tensor:
            return self.change(hidden) if self in vlm.edits else hidden  # else it came after the pass that is repeated

        return _hook(self.module, changed, self.side, self.first, self.keyword)


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def _hook(
    module: "nn.Module",
    act: Callable[[Tensor], Tensor],
    side: Side,
    first: bool = False,
    keyword: str = "hidden_states",
) -> "RemovableHandle":
    def before(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (act(args[0]), *args[1:]), kwargs
        return args, kwargs | {keyword: act(kwargs[keyword])}

    def behind(_: Any, args: Any, output: Any) -> Any:
        return (act(output[0]), *output[1:]) if isinstance(output, tuple) else act(output)

    if side == "input":
        return module.register_forward_pre_hook(before, with_kwargs=True, prepend=first)
    return module.register_forward_hook(behind, prepend=first)


@contextmanager
def _mounted(handle: "RemovableHandle") -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()


def recomputation(vlm: "Vlm") -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """The `context_fn` of `torch.utils.checkpoint`: called in the first pass, its second part is there in the other."""
    return nullcontext(), _Again(vlm, vlm.current_batch, vlm.layout, vlm.edits)


class _Again(AbstractContextManager[None]):
    """Inside, batch and edits are those of the first pass. It may be entered more than once: a graph that is kept is
    recomputed by every backward pass."""

    def __init__(self, vlm: "Vlm", batch: "Packed | None", layout: BatchLayout | None, edits: tuple[Edit, ...]) -> None:
        self._vlm, self._then = vlm, (batch, layout, edits, True)
        self._open = ExitStack()

    def __enter__(self) -> None:
        vlm = self._vlm
        now = (vlm.current_batch, vlm.layout, vlm.edits, vlm.recomputing)
        with ExitStack() as stack:
            stack.callback(self._set, now)
            for edit in self._then[2]:
                if edit not in vlm.edits:
                    stack.callback(edit.hook(vlm).remove)
            self._set(self._then)
            self._open = stack.pop_all()

    def __exit__(self, *exception: Any) -> None:
        self._open.close()

    def _set(self, state: "tuple[Packed | None, BatchLayout | None, tuple[Edit, ...], bool]") -> None:
        self._vlm.current_batch, self._vlm.layout, self._vlm.edits, self._vlm.recomputing = state


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

    with editing(vlm, module, changed, side="output" if after else "input"):
        yield
