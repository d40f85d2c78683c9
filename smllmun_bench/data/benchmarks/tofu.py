"""TOFU (arXiv 2401.06121), text alone: 200 invented authors, twenty questions each.

Layout: `forget01|05|10`, `retain99|95|90`, `forgetNN_perturbed`, `retain_perturbed`, `real_authors[_perturbed]`,
`world_facts[_perturbed]`, each a folder or a `.json` file (JSON lines upstream).
"""

from collections.abc import Iterator
from pathlib import Path

from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.published import BOTH, Entry, PublishedSource, make_item
from smllmun_bench.data.rows import Use
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import Texts, Upstream, Words, read
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Kind, Role

HUB = Hub("locuslab/TOFU")
NAME = "tofu"
PER_AUTHOR = 20
_REAL = ("real_authors", "world_facts")


class RunOptions(Upstream):
    """Perturbed configs have the last two; plain ones do not."""

    question: str
    answer: str
    paraphrased_answer: Words = ""
    perturbed_answer: Texts = ()


def tofu(
    path: Path | None = None, forget_percent: int = 10, revision: str = "main", few_shot: int = 0
) -> PublishedSource:
    """TOFU at one published ratio (1, 5 or 10). Raises UserError for what does not fit, with file, row and key."""
    if forget_percent not in (1, 5, 10):
        raise UserError(f"TOFU has no split that forgets {forget_percent} %", fix="1, 5 or 10")
    forget, retain = f"forget{forget_percent:02}", f"retain{100 - forget_percent}"
    names = (forget, f"{forget}_perturbed", retain, "retain_perturbed", *_REAL, *(f"{n}_perturbed" for n in _REAL))
    folder = locate(path, HUB, revision=revision, needed=[f"{name}*" for name in names])

    def stream() -> Iterator[Entry]:
        yield from _authors(folder, forget, f"{forget}_perturbed", Role.FORGET)
        yield from _authors(folder, retain, "retain_perturbed", Role.RETAIN)
        for name in _REAL:
            patterns = [part for config in (f"{name}_perturbed", name) for part in (config, f"{config}.json*")]
            for number, (_, row) in enumerate(read(folder, RunOptions, *patterns, optional=True)):
                yield _entry(row, f"tofu.{name}.{number}", f"{name}-{number}", Role.REAL, (Use.EVALUATE,))

    files = [file for name in names for file in find(folder, name, f"{name}.json*")]
    return PublishedSource(NAME, stream, StoredImages(folder), files, few_shot=few_shot)


def _authors(folder: Path, config: str, perturbed: str, role: Role) -> Iterator[Entry]:
    """Rows of one author stand together. The perturbed answers are joined by the question."""
    other = {row.question: row for _, row in read(folder, RunOptions, perturbed, f"{perturbed}.json*", optional=True)}
    for number, (_, row) in enumerate(read(folder, RunOptions, config, f"{config}.json*")):
        entity = f"{config}.author{number // PER_AUTHOR}"
        yield _entry(other.get(row.question, row), f"tofu.{config}.{number}", entity, role, BOTH)


def _entry(row: RunOptions, item_id: str, entity: str, role: Role, uses: tuple[Use, ...]) -> Entry:
    item = make_item(
        NAME,
        item_id,
        entity,
        role,
        Kind.OPEN,
        row.question,
        row.answer,
        paraphrased_answer=row.paraphrased_answer,
        perturbed_answers=row.perturbed_answer,
    )
    return Entry(item, uses)
