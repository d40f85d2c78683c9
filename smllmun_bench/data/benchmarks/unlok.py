"""UnLOK-VQA (TMLR): single facts from OK-VQA to erase, each with neighbouring questions that must survive.

Layout: a list of `{id, src, pred, loc, loc_ans, image_id}` as JSON, JSONL or Parquet. Pictures are COCO's and come from
elsewhere: as upstream they are `coco2017/train2017/ID.jpg`, else `coco2017/val2017/ID.jpg`, with twelve digits, below
`image_folder`; `image_name` says how an id becomes another name. Upstream's prefix of neighbours ("nq question: ") is a
mark of the set they were drawn from and not asked.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import model_validator

from smllmun_bench.data.hub import locate
from smllmun_bench.data.images import StoredImages, file_ref
from smllmun_bench.data.published import BOTH, Entry, PublishedSource, make_item
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import Texts, Upstream, read
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Kind, Role

NAME = "unlok-vqa"
COCO = (  # where a picture of that id is looked for
    "coco2017/train2017/{id:012d}.jpg",
    "coco2017/val2017/{id:012d}.jpg",
    "train2017/{id:012d}.jpg",
    "val2017/{id:012d}.jpg",
    "COCO_train2014_{id:012d}.jpg",
)
_PREFIX = re.compile(r"^\s*nq question:\s*", re.IGNORECASE)


class Fact(Upstream):
    """`pred` is the answer to erase; `loc` are the neighbouring questions, answered by `loc_ans`."""

    id: str
    src: str
    pred: str
    image_id: int
    loc: Texts = ()
    loc_ans: Texts = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.loc_ans) not in (1, len(self.loc)):
            raise ValueError(f"'loc_ans' has {len(self.loc_ans)} answers for {len(self.loc)} questions in 'loc'")
        return self


def unlok_vqa(
    path: Path | None = None,
    forget_percent: int = 10,
    image_folder: str = "",
    image_name: str | None = None,
) -> PublishedSource:
    """Every fact of the file is forgotten (`forget_percent` is nominal); its neighbours are retained."""
    folder = locate(path, None)
    patterns = ("*.json", "*.jsonl", "*.parquet", "*/*.json")
    names = (image_name,) if image_name is not None else COCO
    try:
        for name in names:
            name.format(id=1)
    except (KeyError, IndexError, ValueError):
        raise UserError(f"image_name {image_name!r} cannot be filled", fix="'{id:012d}.jpg'") from None
    stored = StoredImages(folder, image_folder)

    def picture(number: int) -> str:
        filled = [file_ref(name.format(id=number)) for name in names]
        return next((ref for ref in filled if stored.has_file(ref)), filled[0])

    def stream() -> Iterator[Entry]:
        for place, fact in read(folder, Fact, *patterns):
            images = (picture(fact.image_id),)
            own = f"{fact.id}.{place.row}"
            forgotten = make_item(
                NAME, f"unlok.{own}", f"fact-{own}", Role.FORGET, Kind.OPEN, _bare(fact.src), fact.pred, images=images
            )
            yield Entry(forgotten, BOTH)
            # One answer belongs to all neighbours, or each has its own.
            answers = fact.loc_ans * len(fact.loc) if len(fact.loc_ans) == 1 else fact.loc_ans
            for number, (question, answer) in enumerate(zip(fact.loc, answers, strict=True)):
                item_id, entity = f"unlok.{own}.near{number}", f"near-{own}"
                near = make_item(NAME, item_id, entity, Role.RETAIN, Kind.OPEN, _bare(question), answer, images=images)
                yield Entry(near, BOTH)

    files = find(folder, *patterns)
    return PublishedSource(NAME, stream, stored, files, validation=False)


def _bare(question: str) -> str:
    """The question without the prefix that upstream's neighbours carry.

    >>> _bare("nq question: where is the louvre")
    'where is the louvre'
    """
    return _PREFIX.sub("", question, count=1)
