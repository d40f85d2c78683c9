"""What writing and reading a canonical folder have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

from smllmun_bench.schema import Item

COLUMNS = (*(f.name for f in fields(Item)), "use", "fold", "forget_rank")
TEXT_LISTS = ("images", "choices", "accepted", "keywords", "paraphrases", "perturbed_answers")


@contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars of `datasets`, which show even when piped."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
