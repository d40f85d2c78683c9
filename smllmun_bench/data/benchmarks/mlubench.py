"""MLUBench: lifelong requests; each has a forget and a retain file of LLaVA conversations about pictures of entities.

Layout: `Tasks/TaskA/taskA_forget.json`, `Tasks/TaskA/taskA_retain.json`, the same for B, C and D; a picture's path is
`downloaded_images/CLASS/ENTITY/FILE`, below the folder. Upstream's `id` is shared by several entities and not used.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from smllmun_bench.data.benchmarks.conversations import Turn, questions
from smllmun_bench.data.hub import locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.published import BOTH, Entry, PublishedSource, make_item
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRef, Upstream, read
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Kind, Role

NAME = "mlubench"
REQUESTS = "ABCD"
_ROLES = {"forget": Role.FORGET, "retain": Role.RETAIN}


class Dialogue(Upstream):
    id: str
    conversations: tuple[Turn, ...]
    image: ImageRef | None = None


def mlubench(
    path: Path | None = None, forget_percent: int = 10, step: str | int = "A", image_folder: str = ""
) -> PublishedSource:
    """One request of the sequence: A, B, C or D (or 1 to 4). The unit that is forgotten is the entity.

    `forget_percent` is nominal: the files say what is forgotten.
    """
    folder = locate(path, None)
    request = _request(step)
    parts = {
        part: (f"Tasks/Task{request}/task{request}_{part}.json*", f"**/task{request}_{part}.json*") for part in _ROLES
    }

    def stream() -> Iterator[Entry]:
        for part, role in _ROLES.items():
            for place, row in read(folder, Dialogue, *parts[part]):
                kind, entity = _shown(row, part)
                images = (row.image,) if row.image else ()
                for number, (question, answer) in enumerate(questions(row.conversations)):
                    item_id = f"mlubench.{request}.{part}.{place.row}.{number}"
                    item = make_item(
                        NAME, item_id, entity, role, Kind.OPEN, question, answer, images=images, group=kind
                    )
                    yield Entry(item, BOTH)

    files = [file for patterns in parts.values() for file in find(folder, *patterns)]
    return PublishedSource(NAME, stream, StoredImages(folder, image_folder), files)


def _request(step: str | int) -> str:
    named = str(step).upper()
    if named.isdigit() and 1 <= int(named) <= len(REQUESTS):
        return REQUESTS[int(named) - 1]
    if len(named) == 1 and named in REQUESTS:
        return named
    raise UserError(f"MLUBench has no request {step!r}", where="adapter 'mlubench', key 'step'", fix="A, B, C or D")


def _shown(row: Dialogue, part: str) -> tuple[str, str]:
    """(class, entity) of the picture; a conversation without one is about nobody else."""
    parts = PurePosixPath(row.image.removeprefix("file:")).parts if row.image else ()
    return (parts[1], parts[2]) if len(parts) > 3 else ("", f"{part}-{row.id}")
