"""MLUBench: lifelong requests; each task of the sequence has a forget and a retain file of LLaVA conversations.

Layout: `Tasks/Task1/task1_forget.json`, `Tasks/Task1/task1_retain.json`, …; pictures below the folder.
"""

from collections.abc import Iterator
from pathlib import Path

from smllmun_bench.data.benchmarks.conversations import Turn, questions
from smllmun_bench.data.hub import locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.published import BOTH, Entry, PublishedSource, make_item
from smllmun_bench.data.table_files import find
from smllmun_bench.data.tables import ImageRef, Upstream, read
from smllmun_bench.schema import Kind, Role

NAME = "mlubench"


class Dialogue(Upstream):
    id: str
    conversations: tuple[Turn, ...]
    image: ImageRef | None = None


def mlubench(
    path: Path | None = None, forget_percent: int = 10, step: int = 1, image_folder: str = ""
) -> PublishedSource:
    """Request number `step` of the sequence. `forget_percent` is nominal: the files say what is forgotten.

    The unit that is forgotten is a conversation; who is in it, the files do not say.
    """
    folder = locate(path, None)
    parts = {part: (f"Tasks/Task{step}/task{step}_{part}.json*", f"**/task{step}_{part}.json*") for part in _ROLES}

    def stream() -> Iterator[Entry]:
        for part, role in _ROLES.items():
            for place, row in read(folder, Dialogue, *parts[part]):
                entity = f"{part}-{row.id}"
                images = (row.image,) if row.image else ()
                for number, (question, answer) in enumerate(questions(row.conversations)):
                    item_id = f"mlubench.{step}.{part}.{place.row}.{number}"
                    item = make_item(NAME, item_id, entity, role, Kind.OPEN, question, answer, images=images)
                    yield Entry(item, BOTH)

    files = [file for patterns in parts.values() for file in find(folder, *patterns)]
    return PublishedSource(NAME, stream, StoredImages(folder, image_folder), files)


_ROLES = {"forget": Role.FORGET, "retain": Role.RETAIN}
