"""CLEAR (arXiv 2410.18057): TOFU's invented authors with generated faces; captions, names and text questions.

Layout: `forget01|05|10`, `retain99|95|90` (image, caption, name), the same with `+tofu` (rows are an image with a
caption *or* a text question), `forgetNN_perturbed`, `retain_perturbed`, `real_faces`, `real_world`.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.published import BOTH, Entry, PublishedSource, make_item
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRef, Texts, Upstream, Words, read
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Kind, Role

HUB = Hub("therem/CLEAR")
NAME = "clear"
PER_AUTHOR = 20  # questions of TOFU about one author, which stand together
ASK_CAPTION = "What does this picture show?"
ASK_NAME = "What is the name of the person in the picture?"


class Captioned(Upstream):
    image: ImageRef
    caption: str
    name: str


class Perturbed(Upstream):
    caption: str
    paraphrased_caption: Words = ""
    perturbed_captions: Texts = ()
    perturbed_names: Texts = ()


class Mixed(Upstream):
    """A row of a `+tofu` config: a text question where `image` is null."""

    image: ImageRef | None = None
    question: str | None = None
    answer: str | None = None


class Real(Upstream):
    image: ImageRef
    question: str
    answer: str
    options: Texts


def clear(
    path: Path | None = None, forget_percent: int = 10, revision: str = "main", few_shot: int = 0
) -> PublishedSource:
    """CLEAR at one published ratio (1, 5 or 10). Raises UserError for what does not fit, with file, row and key."""
    if forget_percent not in (1, 5, 10):
        raise UserError(f"CLEAR has no split that forgets {forget_percent} %", fix="1, 5 or 10")
    forget, retain = f"forget{forget_percent:02}", f"retain{100 - forget_percent}"
    sets = ((forget, Role.FORGET, f"{forget}_perturbed"), (retain, Role.RETAIN, "retain_perturbed"))
    names = [part for name, _, perturbed in sets for part in (name, f"{name}+tofu", perturbed)]
    names += ["real_faces", "real_world"]
    folder = locate(path, HUB, revision=revision, needed=[f"{name}/*" for name in names])

    def stream() -> Iterator[Entry]:
        for name, role, perturbed in sets:
            people: list[str] = []
            for entry in _captions(folder, name, role, perturbed):
                people.append(entry.item.entity_id)
                yield entry
            yield from _texts(folder, name, role, tuple(dict.fromkeys(people)))
        for name in ("real_faces", "real_world"):
            yield from _real(folder, name)

    files = [file for name in names for file in find(folder, name, f"{name}.*")]
    return PublishedSource(NAME, stream, StoredImages(folder), files, few_shot=few_shot)


def _captions(folder: Path, config: str, role: Role, perturbed: str) -> Iterator[Entry]:
    other = {row.caption: row for _, row in read(folder, Perturbed, perturbed, f"{perturbed}.*", optional=True)}
    for number, (_, row) in enumerate(read(folder, Captioned, config, f"{config}.*")):
        wrong = other.get(row.caption)
        caption = make_item(
            NAME,
            f"clear.{config}.{number}.caption",
            row.name,
            role,
            Kind.CAPTION,
            ASK_CAPTION,
            row.caption,
            images=(row.image,),
            subject=row.name,
            keywords=(row.name,),
            paraphrased_answer=wrong.paraphrased_caption if wrong else "",
            perturbed_answers=wrong.perturbed_captions if wrong else (),
        )
        named = make_item(
            NAME,
            f"clear.{config}.{number}.name",
            row.name,
            role,
            Kind.OPEN,
            ASK_NAME,
            row.name,
            images=(row.image,),
            subject=row.name,
            perturbed_answers=wrong.perturbed_names if wrong else (),
        )
        yield Entry(caption, BOTH)
        yield Entry(named, BOTH)


def _texts(folder: Path, config: str, role: Role, people: Sequence[str]) -> Iterator[Entry]:
    """The text questions. Rows name nobody: an author is the one person whose name occurs in a block of questions."""
    mixed = read(folder, Mixed, f"{config}+tofu", f"{config}+tofu.*", optional=True)
    asked = [(row.question, row.answer) for _, row in mixed if row.image is None and row.question and row.answer]
    for block in range(math.ceil(len(asked) / PER_AUTHOR)):
        pairs = asked[block * PER_AUTHOR : (block + 1) * PER_AUTHOR]
        words = " ".join(text for pair in pairs for text in pair)
        named = [person for person in people if person in words]
        author = named[0] if len(named) == 1 else ""
        for number, (question, answer) in enumerate(pairs):
            own = [person for person in named if person in question or person in answer]
            entity = author or (own[0] if len(own) == 1 else f"{config}.author{block}")
            item_id = f"clear.{config}.text.{block * PER_AUTHOR + number}"
            yield Entry(make_item(NAME, item_id, entity, role, Kind.OPEN, question, answer), BOTH)


def _real(folder: Path, config: str) -> Iterator[Entry]:
    for number, (_, row) in enumerate(read(folder, Real, config, f"{config}.*", optional=True)):
        there = row.answer in row.options
        yield Entry(
            make_item(
                NAME,
                f"clear.{config}.{number}",
                f"{config}-{number}",
                Role.REAL,
                Kind.CHOICE,
                row.question,
                row.answer,
                images=(row.image,),
                choices=row.options if there else (*row.options, row.answer),
                group=config if there else f"{config}: answer added to the options",
            )
        )
