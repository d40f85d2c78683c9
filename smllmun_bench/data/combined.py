"""The data of a task as a whole: the benchmark, the general questions beside it, and those in words alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from smllmun_bench.data.alterations import altered, is_altered
from smllmun_bench.data.registry import accepts, open_source
from smllmun_bench.data.source import Source, Split, digest_of, item_lines, split_digest
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fold, Item
from smllmun_bench.tasks import GeneralPart, TaskSpec

_GENERAL = "general:"


class TaskData:
    """Items and images of one task at one forget ratio. References to general images begin with `general:`."""

    def __init__(self, task: TaskSpec, forget_percent: int, path: Path | None = None) -> None:
        """`path` (`--data`) is a folder with the benchmark's files; it takes the place of the one in the task.

        A folder in it that is named after the adapter of the general part is where that part's files are.
        """
        where = f"task {task.name!r}, key 'adapter'"
        args: dict[str, Any] = dict(task.arguments)
        if task.forget_percents.available:
            args |= {"forget_percent": forget_percent}
        if path is not None:
            if not accepts(task.adapter.name, "path", where=where):
                raise UserError(
                    f"task {task.name!r} makes its data itself", where="--data", fix="leave --data out, or another task"
                )
            args |= {"path": path}
        self.benchmark: Source = open_source(task.adapter.name, args, where=where)
        self.general: Source | None = None
        if task.general is not None:
            self.general = _general(task.general, path, where=f"task {task.name!r}, key 'general'")
        self.language: Source | None = None
        if task.language is not None:
            self.language = _general(task.language, path, where=f"task {task.name!r}, key 'language'")
        self._asked: dict[Fold, tuple[Item, ...]] = {}
        self._digests: dict[tuple[Split, Fold], str] = {}

    def image(self, ref: str) -> Image.Image:
        if is_altered(ref):
            return altered(ref, self.image)
        if self.general is not None and ref.startswith(_GENERAL):
            return self.general.image(ref.removeprefix(_GENERAL))
        return self.benchmark.image(ref)

    def evaluation(self, fold: Fold) -> list[Item]:
        """What is asked: the benchmark's items of this fold, then the general ones, then those of language."""
        if fold not in self._asked:  # every stage of a run asks for them
            general = self.general.items(Split.EVALUATE) if self.general is not None else []
            language = self.language.items(Split.EVALUATE) if self.language is not None else []
            self._asked[fold] = (*self.benchmark.items(Split.EVALUATE, fold), *_prefixed(general), *language)
        return list(self._asked[fold])

    def training(self, split: Split, fold: Fold = Fold.TEST) -> list[Item]:
        return self.benchmark.items(split, fold)

    def general_training(self) -> list[Item]:
        """Training items of the general part, where it has any (a model that memorises must not lose it)."""
        train = getattr(self.general, "train_items", None)
        return _prefixed(train()) if train is not None else []

    def language_training(self) -> list[Item]:
        """Training items of the language part, where it has any: what keeps a model talking while it learns to see."""
        train = getattr(self.language, "train_items", None)
        return list(train()) if train is not None else []

    def training_digest(self, split: Split, fold: Fold = Fold.TEST) -> str:
        if (split, fold) not in self._digests:
            self._digests[split, fold] = split_digest(self.benchmark, split, fold)
        return self._digests[split, fold]

    def evaluation_digest(self, items: Sequence[Item]) -> str:
        images = [self.benchmark.image_digest] + ([self.general.image_digest] if self.general is not None else [])
        return digest_of(*images, *item_lines(items))


def _general(part: GeneralPart, path: Path | None, *, where: str) -> Source:
    """The general questions; their files may lie below `--data`, in a folder that bears the adapter's name."""
    args: dict[str, Any] = {"sample": part.sample, "seed": part.seed}
    if path is not None and accepts(part.adapter, "path", where=where) and (path / part.adapter).is_dir():
        args["path"] = path / part.adapter
    return open_source(part.adapter, args, where=where)


def _prefixed(items: Sequence[Item]) -> list[Item]:
    return [replace(item, images=tuple(f"{_GENERAL}{ref}" for ref in item.images)) for item in items]
