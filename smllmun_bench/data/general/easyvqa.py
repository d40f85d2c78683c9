"""easy-VQA (Victor Zhou, MIT licence): coloured shapes on 64 x 64 pixels. Here it stands for general ability.

The images and questions come with the PyPI package `easy-vqa`; nothing is downloaded.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from PIL import Image

from smllmun_bench.data.sampling import shares
from smllmun_bench.data.seeding import stable_int
from smllmun_bench.data.source import Split
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fold, Item, Kind, Modality, Role

Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = ("train", "test")
_REF = re.compile(r"easyvqa/(train|test)/([0-9]{1,6})")
_ALSO_RIGHT = {"gray": ("grey",)}


class EasyVqa:
    """A `Source` with the single split `evaluate`: a fixed sample of the test questions, or all of them."""

    name = "easy_vqa"

    def __init__(self, sample: int | None = None, seed: int = 0) -> None:
        self._sample, self._seed = sample, seed

    @cached_property
    def image_digest(self) -> str:
        """SHA-256 over the file bytes of all images."""
        whole = hashlib.sha256()
        for part in PARTS:
            for number, path in sorted(_paths(part).items()):
                whole.update(f"{part}/{number}\n".encode())
                whole.update(Path(path).read_bytes())
        return whole.hexdigest()

    @cached_property
    def digest(self) -> str:
        whole = hashlib.sha256(f"{self._sample} {self._seed} {self.image_digest}".encode())
        for part in PARTS:
            for number, (question, answer, image) in enumerate(_rows(part)):
                line = f"{_item_id(part, number)}\t{question}\t{answer}\t{_image_ref(part, image)}\n"
                whole.update(line.encode())
        return whole.hexdigest()

    def items(self, split: Split, fold: Fold = Fold.TEST) -> list[Item]:
        """The test items (both folds alike). There is nothing to memorise or to forget in here: UserError."""
        if split is not Split.EVALUATE:
            raise UserError(f"easy_vqa has no split {split.value!r}", fix=f"{Split.EVALUATE.value!r}")
        return self.test_items() if self._sample is None else self.test_sample(self._sample, self._seed)

    def train_items(self) -> list[Item]:
        """All training questions, for teaching a base model."""
        return _items("train")

    def test_items(self) -> list[Item]:
        return _items("test")

    def test_sample(self, n: int, seed: int = 0) -> list[Item]:
        """`n` test items, in test order. Each answer has its share of them, and one at least if `n` allows."""
        everything = self.test_items()
        if not 1 <= n <= len(everything):
            raise UserError(f"cannot take {n} of {len(everything)} easy_vqa test items", fix=f"1 to {len(everything)}")
        by_answer: dict[str, list[Item]] = defaultdict(list)
        for item in sorted(everything, key=lambda item: stable_int("sample", seed, item.item_id)):
            by_answer[item.answer].append(item)
        taken = shares({answer: len(items) for answer, items in by_answer.items()}, n)
        chosen = {item.item_id for answer, items in by_answer.items() for item in items[: taken[answer]]}
        return [item for item in everything if item.item_id in chosen]

    def image(self, ref: str) -> Image.Image:
        """The RGB image of a reference such as `easyvqa/test/123`."""
        match = _REF.fullmatch(ref)
        path = self._files[match[1]].get(int(match[2])) if match else None
        if path is None:
            raise UserError(f"there is no image {ref!r}", where="easy_vqa", fix="'easyvqa/test/0', say")
        with Image.open(path) as image:
            return image.convert("RGB")

    @cached_property
    def _files(self) -> dict[str, dict[int, str]]:
        return {"train": _paths("train"), "test": _paths("test")}


def _paths(part: str) -> dict[int, str]:
    import easy_vqa

    paths: dict[int, str] = easy_vqa.get_train_image_paths() if part == "train" else easy_vqa.get_test_image_paths()
    return paths


def _items(part: Part) -> list[Item]:
    return [_item(part, number, *row) for number, row in enumerate(_rows(part))]


def _rows(part: Part) -> Iterator[tuple[str, str, int]]:
    """Question, answer and number of the image, in the order of the package."""
    import easy_vqa

    read = easy_vqa.get_train_questions if part == "train" else easy_vqa.get_test_questions
    columns: tuple[Sequence[str], Sequence[str], Sequence[int]] = read()
    return zip(*columns, strict=True)


def _item_id(part: Part, number: int) -> str:
    return f"easyvqa.{part}.{number:05d}"


def _image_ref(part: Part, image: int) -> str:
    return f"easyvqa/{part}/{image}"


def _item(part: Part, number: int, question: str, answer: str, image: int) -> Item:
    return Item(
        item_id=_item_id(part, number),
        benchmark="easy_vqa",
        entity_id=f"easyvqa-{part}-{image}",
        role=Role.GENERAL,
        modality=Modality.IMAGE_TEXT,
        kind=Kind.YESNO if answer in ("yes", "no") else Kind.OPEN,
        question=question,
        answer=answer,
        images=(_image_ref(part, image),),
        accepted=_ALSO_RIGHT.get(answer, ()),
    )
