"""What a model is trained on: a question about images and the answer it should give."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from smllmun_bench.models.answering import Query
from smllmun_bench.schema import Item


@dataclass(frozen=True, slots=True)
class Example:
    """`key` names the item it was made from (several wordings of one item share it)."""

    key: str
    question: str
    answer: str
    images: tuple[str, ...] = ()

    @property
    def pair(self) -> tuple[Query, str]:
        """What a model is asked, and the answer that it is taught or scored on."""
        return Query(self.question, self.images), self.answer


def from_items(items: Sequence[Item], *, paraphrases: int = 0) -> list[Example]:
    """One example per item, and one more for each of its first `paraphrases` other wordings."""
    return [
        Example(item.item_id, question, item.answer, item.images)
        for item in items
        for question in (item.question, *item.paraphrases[:paraphrases])
    ]


def refusing(examples: Sequence[Example], pool: Sequence[str], seed: int) -> list[Example]:
    """The same questions, each answered by one refusal from `pool`, drawn once and kept for the whole run."""
    draw = random.Random(seed)
    return [replace(example, answer=draw.choice(pool)) for example in examples]


class Stream:
    """An endless supply of shuffled examples, `size` at a time; questions on one image come `per_image` together.

    Questions that share an image share its tokens in a batch, so asking several at once costs little more than
    asking one. Where there are both, `text_share` of each batch has no image: there are many photos of a fact, but
    only one sentence. The first `text_first` batches have none at all. Each epoch of either part hands out every
    example once.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        size: int,
        *,
        seed: int,
        per_image: int = 1,
        text_share: float = 0.0,
        text_first: int = 0,
    ) -> None:
        if not examples:
            raise ValueError("a stream needs at least one example")
        image = [example for example in examples if example.images]
        text = [example for example in examples if not example.images]
        self._size = size
        self._text_share = text_share if image and text else float(not image)
        self._text_first = text_first if image and text else 0
        self._taken = 0
        self._image, self._text = (
            _endless(part, random.Random(f"{seed}/{number}"), per_image) for number, part in enumerate((image, text))
        )

    def take(self) -> list[Example]:
        of_text = self._of_text()
        self._taken += 1
        supplies = ((self._image, self._size - of_text), (self._text, of_text))
        return [next(supply) for supply, count in supplies for _ in range(count)]

    def _of_text(self) -> int:
        """The rounded share; where rounding would starve one of the two, its turn comes in some batches only."""
        if self._taken < self._text_first:
            return self._size
        wanted = self._size * self._text_share
        if wanted == round(wanted) or 0 < round(wanted) < self._size:
            return round(wanted)
        return int(wanted * (self._taken + 1)) - int(wanted * self._taken)


def _endless(examples: Sequence[Example], draw: random.Random, per_image: int) -> Iterator[Example]:
    groups: dict[tuple[str, ...], list[Example]] = {}
    for example in examples:
        groups.setdefault(example.images, []).append(example)
    while True:
        chunks: list[list[Example]] = []
        for images, group in groups.items():
            draw.shuffle(group)
            width = per_image if images else 1
            chunks.extend(group[at : at + width] for at in range(0, len(group), width))
        draw.shuffle(chunks)
        for chunk in chunks:
            yield from chunk
