"""What to do when memory runs out: smaller batches, and in the end a message that tells the way out."""

import gc
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
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


def device_of(model: torch.nn.Module) -> torch.device:
    """Where inputs go. Weights that are kept elsewhere until their layer runs (`--device-map`) do not tell."""
    here = (parameter.device for parameter in model.parameters() if not parameter.is_meta)
    return next(here, torch.device("cpu"))


def check_resident(model: torch.nn.Module, names: Collection[str] | None, what: str) -> None:
    """Refuse to change weights that `--device-map` has put out of reach: writing to them would do nothing, silently.

    `names`: the parameters in question, None for all. Weights that accelerate keeps on disk, or in main memory beside a
    card, are on the device "meta" until their layer runs.

    Raises:
        UserError: some of them are.
    """
    away = [
        name for name, parameter in model.named_parameters() if parameter.is_meta and (names is None or name in names)
    ]
    if away:
        raise UserError(
            f"{what} changes {len(away)} parameters that --device-map has moved out of the memory of the cards, "
            f"{away[0]!r} first",
            where="--device-map",
            fix="more cards, or --dtype bfloat16, so that all of the model lies in the memory of cards",
        )


def release() -> None:
    """Give back what torch keeps for later."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def fits(work: Callable[[], None]) -> bool:
    """Do `work`; False where memory ran out for it, and what it held is given back."""
    try:
        work()
        return True
    except Exception as error:
        if not is_shortage(error):
            raise
    release()  # outside of `except`: until it ends, the traceback keeps the tensors of the failed work alive
    return False


def too_much() -> UserError:
    return UserError(
        "one question at a time does not fit into memory",
        fix="--dtype bfloat16, or --device-map auto to spread the model over cards and main memory",
    )


def in_batches(work: Callable[[Sequence[T]], None], entries: Sequence[T], size: int) -> int:
    """Call `work` on `size` entries after another; a batch that does not fit is halved, and all later ones are too.

    Entries whose batch was done are never done again. Returns the size that fitted.

    Raises:
        UserError: a single entry does not fit.
    """
    at = 0
    while at < len(entries):
        batch = entries[at : at + size]
        if fits(partial(work, batch)):
            at += len(batch)
        elif len(batch) == 1:
            raise too_much()
        else:
            size = len(batch) // 2
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
