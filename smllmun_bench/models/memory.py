"""What to do when memory runs out: smaller batches, and in the end a message that tells the way out."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch

from smllmun_bench.errors import RunFailed, UserError

T = TypeVar("T")

_SAID = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "bad_alloc")


def is_shortage(error: BaseException) -> bool:
    """Whether `error` says that memory ran out, on a card (torch.OutOfMemoryError) or on the CPU (a RuntimeError)."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _SAID)


def release() -> None:
    """Give back what torch keeps for later."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def in_batches(work: Callable[[Sequence[T]], None], entries: Sequence[T], size: int) -> int:
    """Call `work` on `size` entries after another; a batch that does not fit is halved, and all later ones are too.

    Entries whose batch was done are never done again. Returns the size that fitted.

    Raises:
        UserError: a single entry does not fit.
    """
    at = 0
    while at < len(entries):
        batch = entries[at : at + size]
        try:
            work(batch)
            fits = True
        except Exception as error:
            if not is_shortage(error):
                raise
            fits = False
        if fits:  # outside of `except`: until it ends, the traceback keeps the tensors of the failed batch alive
            at += len(batch)
            continue
        release()
        if len(batch) == 1:
            raise UserError(
                "one question at a time does not fit into memory",
                fix="--dtype bfloat16, or --device-map auto to spread the model over cards and main memory",
            )
        size = max(1, len(batch) // 2)
    return size


@contextmanager
def explained(what: str) -> Iterator[None]:
    """A shortage inside the block becomes one readable failure of the run; finished stages stay in the store."""
    short = False
    try:
        yield
    except Exception as error:
        if not is_shortage(error):
            raise
        short = True
    if short:
        release()
        raise RunFailed(
            f"{what} does not fit into memory",
            fix="a smaller training.batch_size, lora instead of whole weights, --dtype bfloat16, or --device-map auto",
        )
