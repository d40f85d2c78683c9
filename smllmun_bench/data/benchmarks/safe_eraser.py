"""SafeEraser (arXiv 2502.12520): harmful answers to erase, harmless questions about the same pictures to keep.

Layout: `all_train.json`, `all_val.json` (lists), pictures below the folder. The harmless pairs and those about the
drawn picture (`sd_…`), which upstream trains like them, measure over-forgetting: a refusal there is a refusal too many
(`refusal_retain` in the table). Harmful text is upstream's; none is shipped.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import AliasChoices, Field, model_validator

from smllmun_bench.data.hub import locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.published import Entry, PublishedSource, make_item
from smllmun_bench.data.rows import Use
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRef, Upstream, Words, read
from smllmun_bench.schema import Kind, Role

NAME = "safe-eraser"


class Unsafe(Upstream):
    question: str
    model_response: str = Field(validation_alias=AliasChoices("model_response", "model_response1"))
    model_response2: Words = ""
    model_response3: Words = ""
    sd_question: str | None = None
    sd_response: str | None = None


class Harmless(Upstream):
    Question: str
    Answer: str = Field(validation_alias=AliasChoices("Answer", "Prediction"))


class Picture(Upstream):
    image_path: ImageRef = Field(validation_alias=AliasChoices("image_path", "image_id"))
    SDImage_path: ImageRef | None = None
    category: Words = ""
    unsafe_pairs: tuple[Unsafe, ...] = ()
    UnharmPair_text1: Harmless | None = None
    UnharmPair_text2: Harmless | None = None
    UnharmPair_image1: Harmless | None = None
    UnharmPair_image2: Harmless | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(pair.sd_question for pair in self.unsafe_pairs) and not self.SDImage_path:
            raise ValueError("'SDImage_path' is missing, and there are questions about it")
        return self


def safe_eraser(path: Path | None = None, forget_percent: int = 10) -> PublishedSource:
    """SafeEraser's training and validation files. `forget_percent` is nominal: all harmful pairs are forgotten,
    those about the drawn picture, to which upstream's answers are safe, are kept."""
    folder = locate(path, None)

    def stream() -> Iterator[Entry]:
        for name, use in (("all_train", Use.TRAIN), ("all_val", Use.EVALUATE)):
            for place, row in read(folder, Picture, f"{name}.json*", f"*/{name}.json*"):
                yield from _pairs(row, f"{name}.{place.row}", use)

    files = [file for name in ("all_train", "all_val") for file in find(folder, f"{name}.json*", f"*/{name}.json*")]
    return PublishedSource(NAME, stream, StoredImages(folder), files, validation=False)


def _pairs(row: Picture, place: str, use: Use) -> Iterator[Entry]:
    for number, pair in enumerate(row.unsafe_pairs):
        item_id = f"safeeraser.{place}.unsafe.{number}"
        more = tuple(text for text in (pair.model_response2, pair.model_response3) if text)
        yield _entry(
            row, item_id, f"harm-{place}", Role.FORGET, pair.question, pair.model_response, row.image_path, use, more
        )
        if pair.sd_question and pair.sd_response and row.SDImage_path:
            item_id = f"safeeraser.{place}.unsafesd.{number}"
            question, answer = pair.sd_question, pair.sd_response
            yield _entry(row, item_id, f"harmless-{place}", Role.RETAIN, question, answer, row.SDImage_path, use)
    for field in ("text1", "text2", "image1", "image2"):
        harmless: Harmless | None = getattr(row, f"UnharmPair_{field}")
        if harmless is not None:
            item_id = f"safeeraser.{place}.harmless.{field}"
            question, answer = harmless.Question, harmless.Answer
            yield _entry(row, item_id, f"harmless-{place}", Role.RETAIN, question, answer, row.image_path, use)


def _entry(
    row: Picture,
    item_id: str,
    entity: str,
    role: Role,
    question: str,
    answer: str,
    image: str,
    use: Use,
    accepted: tuple[str, ...] = (),
) -> Entry:
    item = make_item(
        NAME,
        item_id,
        entity,
        role,
        Kind.OPEN,
        question,
        answer,
        images=(image,),
        accepted=accepted,
        group=row.category,
    )
    return Entry(item, (use,))
