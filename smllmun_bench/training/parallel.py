"""Training in several processes: each holds the whole model and works on its share of a batch; gradients are averaged,
so all take the same step."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from smllmun_bench.errors import UserError
from smllmun_bench.runtime import process_group, rank, size

if TYPE_CHECKING:
    from torch.nn import Parameter

T = TypeVar("T")


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
    distributed = process_group()
    there = parameters[0].new_tensor([parameter.grad is not None for parameter in parameters])
    distributed.all_reduce(there)  # how many processes have it: whoever waits for one that none sends waits for ever
    for parameter, holders in zip(parameters, there.tolist(), strict=True):
        if holders:
            if parameter.grad is None:
                parameter.grad = parameter.new_zeros(parameter.shape)
            distributed.all_reduce(parameter.grad)
            parameter.grad /= size()
