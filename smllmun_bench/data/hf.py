"""What writing and reading a canonical folder have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING

from smllmun_bench.schema import Item

if TYPE_CHECKING:
    from datasets import Features

COLUMNS = (*(f.name for f in fields(Item)), "use", "fold", "forget_rank")
PUBLISHED = "published"  # the fold of rows whose role says who is forgotten
TEXT_LISTS = ("images", "choices", "accepted", "keywords", "paraphrases", "perturbed_answers")


def item_features() -> "Features":
    """The columns of the config `items`."""
    from datasets import Features, List, Value

    text = Value("string")
    kinds = {column: List(text) if column in TEXT_LISTS else text for column in COLUMNS}
    return Features(kinds | {"forget_rank": Value("int64")})


def photo_features() -> "Features":
    """The columns of the config `photos`."""
    from datasets import Features, Image, Value

    return Features({"ref": Value("string"), "image": Image()})


def plain(value: object) -> object:
    """A field of an item as it is stored."""
    return list(value) if isinstance(value, tuple) else value if value is None or isinstance(value, int) else str(value)


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
