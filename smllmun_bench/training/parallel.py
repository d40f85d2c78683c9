"""Several processes as one: `accelerate launch -m smllmun_bench run …`.

Every process holds the whole model and works on its share of each batch; gradients are averaged, so all take the same
step. Answers are divided likewise and brought together again. With one process nothing here does anything.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from smllmun_bench.errors import UserError
from smllmun_bench.models.libraries import import_libraries

if TYPE_CHECKING:
    from torch.nn import Parameter

T = TypeVar("T")
R = TypeVar("R")


def size() -> int:
    """How many processes were launched together. Asks the launcher's environment; imports nothing."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this one is, from 0."""
    return int(os.environ.get("RANK", "0"))


def device(asked: str) -> str:
    """The device of this process: with `cuda`, each process of a machine has a card of its own."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if asked == "cuda" and size() > 1 else asked


def share(examples: Sequence[T]) -> Sequence[T]:
    """This process's part of a batch: neighbours stay together, since they may share an image.

    Raises UserError where a process would have nothing to do.
    """
    if size() == 1:
        return examples
    if len(examples) < size():
        raise UserError(
            f"a batch of {len(examples)} cannot be divided among {size()} processes",
            fix=f"a training.batch_size of {size()} or more, or fewer processes",
        )
    at = [len(examples) * number // size() for number in range(size() + 1)]
    return examples[at[rank()] : at[rank() + 1]]


def average_gradients(parameters: "Iterable[Parameter]") -> None:
    """Every gradient becomes its mean over the processes; who has none, as a tower without pictures, counts as 0."""
    parameters = list(parameters)
    if size() == 1 or not parameters:
        return
    distributed = _group()
    there = parameters[0].new_tensor([parameter.grad is not None for parameter in parameters])
    distributed.all_reduce(there)  # how many processes have it: whoever waits for one that none sends waits for ever
    for parameter, holders in zip(parameters, there.tolist(), strict=True):
        if holders:
            if parameter.grad is None:
                parameter.grad = parameter.new_zeros(parameter.shape)
            distributed.all_reduce(parameter.grad)
            parameter.grad /= size()


def divided(work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
    """`work` on all items, one result per item, in their order; each process does every n-th of them."""
    if size() == 1:
        return list(work(items))
    mine = list(work(items[rank() :: size()]))
    parts: list[list[R]] = [[] for _ in range(size())]
    _group().all_gather_object(parts, mine)
    return [parts[number % size()][number // size()] for number in range(len(items))]


def agreed(value: T) -> T:
    """What process 0 says."""
    if size() == 1:
        return value
    box = [value]
    _group().broadcast_object_list(box, src=0)
    return box[0]


def wait() -> None:
    """Until all are here."""
    if size() > 1:
        _group().barrier()


@cache
def _group() -> Any:
    """torch.distributed, joined: NCCL between cards, gloo between CPUs."""
    import_libraries()
    import torch
    from torch import distributed

    if not distributed.is_initialized():
        on_cards = torch.cuda.is_available() and os.environ.get("ACCELERATE_USE_CPU", "false").lower() != "true"
        if on_cards:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        distributed.init_process_group("cpu:gloo,cuda:nccl" if on_cards else "gloo")
    return distributed
