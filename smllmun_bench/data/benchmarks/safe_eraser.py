"""SafeEraser (arXiv 2502.12520): harmful answers to erase, harmless questions about the same pictures to keep.

Layout: `all_train.json`, `all_val.json` (lists), pictures below the folder. The harmless pairs measure over-forgetting:
a refusal there is a refusal too many (`refusal_retain` in the table). Harmful text is upstream's; none is shipped.
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
    """SafeEraser's training and validation files. `forget_percent` is nominal: all harmful pairs are forgotten."""
    folder = locate(path, None)

    def stream() -> Iterator[Entry]:
        for name, use in (("all_train", Use.TRAIN), ("all_val", Use.EVALUATE)):
            for place, row in read(folder, Picture, f"{name}.json*", f"*/{name}.json*"):
                yield from _pairs(row, f"{name}.{place.row}", use)

    files = [file for name in ("all_train", "all_val") for file in find(folder, f"{name}.json*", f"*/{name}.json*")]
    return PublishedSource(NAME, stream, StoredImages(folder), files, validation=False)


def _pairs(row: Picture, place: str, use: Use) -> Iterator[Entry]:
    for number, pair in enumerate(row.unsafe_pairs):
        more = tuple(text for text in (pair.model_response2, pair.model_response3) if text)
        forms = [("", pair.question, pair.model_response, row.image_path)]
        if pair.sd_question and pair.sd_response and row.SDImage_path:
            forms.append(("sd", pair.sd_question, pair.sd_response, row.SDImage_path))
        for form, question, answer, image in forms:
            item = make_item(
                NAME,
                f"safeeraser.{place}.unsafe{form}.{number}",
                f"harm-{place}",
                Role.FORGET,
                Kind.OPEN,
                question,
                answer,
                images=(image,),
                accepted=more if not form else (),
                group=row.category,
            )
            yield Entry(item, (use,))
    for field in ("text1", "text2", "image1", "image2"):
        harmless: Harmless | None = getattr(row, f"UnharmPair_{field}")
        if harmless is not None:
            item_id, entity = f"safeeraser.{place}.harmless.{field}", f"harmless-{place}"
            images = (row.image_path,)
            question, answer = harmless.Question, harmless.Answer
            item = make_item(
                NAME, item_id, entity, Role.RETAIN, Kind.OPEN, question, answer, images=images, group=row.category
            )
            yield Entry(item, (use,))
