"""FIUBench (arXiv 2411.03554): faces bound to invented private facts, with keywords, paraphrases and wrong answers.

Layout: `full.json` (a list or JSON lines), `split.json` (ids by list name), pictures below the folder; upstream keeps
the two files in `dataset/` and writes `./dataset/SFHQ/…` for pictures that lie in `SFHQ/` on the hub. As upstream, the
retain set leaves out the people of all three requests: one gold model serves them all.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.published import BOTH, Entry, PublishedSource, make_item
from smllmun_bench.data.rows import Use
from smllmun_bench.data.table_files import find, raw_rows
from smllmun_bench.data.tables import ImageRef, Texts, Upstream, Words, read
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Kind, Role

HUB = Hub("gray311/FIUBench", aliases=("gray311/VFUBench",))
NAME = "fiubench"
REQUESTS = ("forget1", "forget5", "forget10")
PEOPLE = 400  # upstream uses the first 400 persons of the file


class Fact(Upstream):
    question: str
    answer: str
    keywords: Texts = ()
    paraphrased_question: Texts = ()
    paraphrased_answer: Words = ""
    perturbed_answer: Texts = ()


class Person(Upstream):
    unique_id: Annotated[str, Field(min_length=1)]
    image_path: ImageRef
    qa_list: tuple[Fact, ...]


class Splits(Upstream):
    model_config = Upstream.model_config | {"extra": "allow"}
    __pydantic_extra__: dict[str, tuple[str, ...]]


def fiubench(
    path: Path | None = None, forget_percent: int = 5, revision: str = "main", few_shot: int = 0
) -> PublishedSource:
    """FIUBench at one published ratio (1, 5 or 10); everybody who is in none of the three lists is retained.

    Who is in another list is memorised by the target, and neither retained nor asked about.
    Raises UserError for what does not fit, with file, row and key, and for an id of the split that nobody has.
    """
    folder = locate(path, HUB, revision=revision, needed=("**/full.json", "**/split.json", "**/*.png", "**/*.jpg"))
    full = ("full.json*", "*/full.json*", "full", "*/full")

    def stream() -> Iterator[Entry]:
        wanted, others = _requests(folder, f"forget{forget_percent}")
        seen: set[str] = set()
        for number, (_, person) in enumerate(read(folder, Person, *full)):
            if number >= PEOPLE:
                break
            own = _id(person.unique_id)
            seen.add(own)
            elsewhere = own in others and own not in wanted
            uses = (Use.MEMORISE,) if elsewhere else BOTH
            yield from _facts(person, own, Role.FORGET if own in wanted else Role.RETAIN, uses)
        if unknown := sorted(wanted - seen):
            raise UserError(
                f"ids of the split that full.json does not have: {', '.join(unknown[:8])}",
                where=f"{folder}, split.json, key 'forget{forget_percent}'",
            )

    files = [file for pattern in (full, ("split.json", "*/split.json")) for file in find(folder, *pattern)]
    return PublishedSource(NAME, stream, StoredImages(folder), files, few_shot=few_shot)


def _id(value: str) -> str:
    """Eight digits: the split file has been seen with whole numbers."""
    return value.zfill(8) if value.isdigit() else value


def _requests(folder: Path, name: str) -> tuple[set[str], set[str]]:
    """The ids of the list `name`, and of the lists of all requests."""
    files = find(folder, "split.json", "*/split.json")
    if not files:
        raise UserError("there is no split.json", where=str(folder), fix="upstream's dataset/split.json")
    rows: list[dict[str, Any]] = [row for _, row in raw_rows(files[0], folder)]
    try:
        lists = Splits.model_validate(rows[0] if rows else {}).__pydantic_extra__
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        key = ".".join(map(str, detail["loc"]))
        raise UserError(f"not a list of ids: {detail['msg']}", where=f"{files[0]}, key {key!r}") from None
    if name not in lists:
        raise UserError(
            f"there is no list {name!r}", where=str(files[0]), fix=", ".join(sorted(lists)) or "another file"
        )
    others = {_id(value) for request in REQUESTS for value in lists.get(request, ())}
    return {_id(value) for value in lists[name]}, others


def _facts(person: Person, entity: str, role: Role, uses: tuple[Use, ...]) -> Iterator[Entry]:
    for number, fact in enumerate(person.qa_list):
        item = make_item(
            NAME,
            f"fiubench.{entity}.{number}",
            entity,
            role,
            Kind.OPEN,
            fact.question,
            fact.answer,
            images=(person.image_path,),
            keywords=fact.keywords,
            paraphrases=fact.paraphrased_question,
            paraphrased_answer=fact.paraphrased_answer,
            perturbed_answers=fact.perturbed_answer,
        )
        yield Entry(item, uses)
