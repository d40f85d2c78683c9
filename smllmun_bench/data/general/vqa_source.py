"""What all general sets share: a `Source` that only asks, whole or as a fixed subset."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.published import Entry, make_item
from smllmun_bench.data.sampling import Subset, subset
from smllmun_bench.data.source import Split, digest_of, item_lines
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fold, Item, Kind, Role

SHORT = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."


def general_item(
    benchmark: str,
    item_id: str,
    kind: Kind,
    question: str,
    answer: str,
    images: tuple[str, ...],
    entity: str = "",
    **more: Any,
) -> Item:
    """One question. Its entity is its picture where several questions share one, so that intervals know."""
    return make_item(
        benchmark,
        f"{benchmark}.{item_id}",
        f"{benchmark}-{entity or item_id}",
        Role.GENERAL,
        kind,
        question,
        answer,
        images=images,
        **more,
    )


class GeneralSource:
    """The questions of one set. Nothing is read before items are asked for."""

    def __init__(
        self,
        name: str,
        questions: Callable[[], Iterator[Item]],
        images: StoredImages,
        files: Sequence[Path],
        sample: int | None = None,
        seed: int = 0,
    ) -> None:
        self.name, self._questions, self._images, self._files = name, questions, images, tuple(files)
        self._sample, self._seed = sample, seed

    def stream(self) -> Iterator[Entry]:
        """All questions, one after the other, whatever the subset."""
        return (Entry(item) for item in self._questions())

    @cached_property
    def _all(self) -> tuple[Item, ...]:
        return tuple(self._questions())

    @cached_property
    def subset(self) -> Subset:
        """The ids that are asked, with their hash; the whole set where no sample was named."""
        return subset(self._all, len(self._all) if self._sample is None else self._sample, self._seed)

    @cached_property
    def _asked(self) -> tuple[Item, ...]:
        wanted = set(self.subset.ids)
        return tuple(item for item in self._all if item.item_id in wanted)

    @cached_property
    def image_digest(self) -> str:
        return self._images.digest(self._files, self._asked)

    @cached_property
    def digest(self) -> str:
        return digest_of(self.name, self.image_digest, *item_lines(self._asked))

    def items(self, split: Split, fold: Fold = Fold.TEST) -> list[Item]:
        """The questions (both folds alike). There is nothing to memorise or to forget in here: UserError."""
        if split is not Split.EVALUATE:
            raise UserError(
                f"{self.name} only asks: it has no split {split.value!r}",
                fix=f"general: {{adapter: {self.name}, …}} in a task that forgets, or `smllmun-bench score`",
            )
        return list(self._asked)

    def image(self, ref: str) -> Image.Image:
        return self._images(ref)

    def image_bytes(self, ref: str) -> bytes:
        """The image as it is stored."""
        return self._images.data(ref)[0]
