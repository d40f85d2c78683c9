"""Reads a canonical folder, ours or anybody's: rows and photos as Parquet, by way of the `datasets` library.

`smllmun.write_folder` writes one. What does not fit is said with file, row and key, all faults of the rows at once.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from smllmun_bench.data.hf import COLUMNS, PUBLISHED, quiet
from smllmun_bench.data.images import decode
from smllmun_bench.data.published import BOTH, Entry, PublishedSource
from smllmun_bench.data.rows import MEMORY, UNDERSTANDING, Row, RowSource, Use, check_percent
from smllmun_bench.data.source import digest_of
from smllmun_bench.data.synthetic.profiles import FOLDS
from smllmun_bench.errors import UserError, unknown
from smllmun_bench.schema import Direction, Item, Kind, Modality, Role

if TYPE_CHECKING:
    from datasets import Dataset

_FAULTS_SHOWN = 8


def canonical_folder(path: Path, forget_percent: int = 10) -> RowSource | PublishedSource:
    """Read a folder that `write_folder` or `convert` wrote, or one of their shape. Photos are decoded when asked for.

    Rows of the fold `published` keep the role that they have: who is forgotten is said there, not by the ratio.
    Raises UserError that names file, row and key for whatever does not fit; faults of rows are gathered first.
    """
    check_percent(forget_percent)
    path = Path(path)
    if not path.is_dir():
        raise UserError("there is no such folder", where=str(path), fix="`write_folder` makes one")
    photos = _Photos(path, _load(path, "photos"))
    lines = _read_lines(path, _load(path, "items"))
    photos.check_refs([line.item for line in lines])
    published = {line.fold == PUBLISHED for line in lines}
    if published == {True}:
        entries = tuple(Entry(line.item, line.uses) for line in lines)
        return PublishedSource(lines[0].benchmark, lambda: iter(entries), photos)
    if len(published) > 1:
        raise UserError(f"some rows are of the fold {PUBLISHED!r}, some are not", where=f"{path}, config 'items'")
    rows = [line.row() for line in lines]
    return RowSource(
        rows[0].item.benchmark, rows, photos, image_digest=photos.digest((), ()), forget_percent=forget_percent
    )


class _Line(BaseModel):
    """One row of the config `items`, as stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    item_id: str
    benchmark: str
    entity_id: str
    role: Role
    modality: Modality
    kind: Kind
    question: str
    answer: str
    subject: str
    group: str
    images: tuple[str, ...]
    choices: tuple[str, ...]
    accepted: tuple[str, ...]
    keywords: tuple[str, ...]
    paraphrases: tuple[str, ...]
    paraphrased_answer: str
    perturbed_answers: tuple[str, ...]
    pair_id: str
    direction: Direction
    use: Use | Literal["both"]
    fold: str
    forget_rank: int | None

    @property
    def item(self) -> Item:
        return Item(**{f.name: getattr(self, f.name) for f in fields(Item)})

    @property
    def uses(self) -> tuple[Use, ...]:
        return BOTH if self.use == "both" else (Use(self.use),)

    def row(self) -> Row:
        return Row(self.item, Use(self.use), self.fold, self.forget_rank)

    def faults(self) -> Iterator[tuple[str, str]]:
        """(key, what is wrong with it) for what the types cannot say."""
        published = self.fold == PUBLISHED
        if not published and self.role not in (*MEMORY, *UNDERSTANDING):
            yield "role", f"{self.role.value!r} is neither memory nor understanding"
        if not published and self.use == "both":
            yield "use", f"'both' belongs to the fold {PUBLISHED!r}"
        if self.fold not in (*FOLDS, PUBLISHED):
            yield "fold", f"{self.fold!r} is none of {', '.join((*FOLDS, PUBLISHED))}"
        if (self.fold in ("forget", "validation")) != (self.forget_rank is not None):
            yield "forget_rank", "must be set for the folds forget and validation, and for no other"
        for key in ("item_id", "entity_id", "question", "answer"):
            if not getattr(self, key).strip():
                yield key, "is empty"
        if self.kind is Kind.CHOICE and (times := self.choices.count(self.answer)) != 1 and not (published and times):
            yield "choices", "must hold the answer exactly once"
        if (self.modality is Modality.IMAGE_TEXT) != bool(self.images):
            yield "images", f"{len(self.images)} images do not fit the modality {self.modality.value!r}"


def _read_lines(path: Path, table: "Dataset") -> list[_Line]:
    where = f"{path}, config 'items'"
    _check_columns(table.column_names, COLUMNS, where)
    lines, faults = [], []
    for number, stored in enumerate(table):
        try:
            line = _Line.model_validate(stored)
        except ValidationError as error:
            faults += [(number, str(e["loc"][0]), f"{e['msg']} (found {e['input']!r})") for e in error.errors()]
            continue
        faults += [(number, key, what) for key, what in line.faults()]
        lines.append(line)
    repeated = {item_id for item_id, times in Counter(line.item_id for line in lines).items() if times > 1}
    faults += [(n, "item_id", f"{ln.item_id!r} is not unique") for n, ln in enumerate(lines) if ln.item_id in repeated]
    if faults:
        raise _faulty(faults, where)
    if not lines:
        raise UserError("there are no items", where=where)
    return lines


def _faulty(faults: Sequence[tuple[int, str, str]], where: str) -> UserError:
    """One error for all faults of a table; the first few are spelt out."""
    shown = [f"row {row}, key {key!r}: {what}" for row, key, what in faults[:_FAULTS_SHOWN]]
    if len(faults) > len(shown):
        shown.append(f"and {len(faults) - len(shown)} more")
    return UserError("some rows do not fit:\n  " + "\n  ".join(shown), where=where)


def _check_columns(found: Sequence[str], wanted: Sequence[str], where: str) -> None:
    for column in wanted:
        if column not in found:
            raise UserError(f"column {column!r} is missing", where=where, fix=f"columns: {', '.join(wanted)}")
    for column in found:
        if column not in wanted:
            raise unknown("column", column, wanted, where=where)


class _Photos:
    """Opens stored images by reference. Only bytes inside the Parquet file count, never a path."""

    def __init__(self, path: Path, table: "Dataset") -> None:
        from datasets import Image as ImageFeature
        from datasets import exceptions

        self._where = f"{path}, config 'photos'"
        _check_columns(table.column_names, ("ref", "image"), self._where)
        try:
            self._table = table.cast_column("image", ImageFeature(decode=False))
        except (TypeError, ValueError, exceptions.DatasetsError) as error:
            raise UserError(f"column 'image' holds no images: {error}", where=self._where) from error
        self._index = {ref: row for row, ref in enumerate(table["ref"])}

    def __call__(self, ref: str) -> Image.Image:
        data, where = self.data(ref)
        return decode(data, where)

    def data(self, ref: str) -> tuple[bytes, str]:
        """The stored bytes, and where they stand."""
        if ref not in self._index:
            raise UserError(f"there is no image {ref!r}", where=self._where)
        row = self._index[ref]
        where = f"{self._where}, row {row}, key 'image' ({ref})"
        data = (self._table[row]["image"] or {}).get("bytes")
        if not data:
            fix = "store the file's bytes, not a path"
            raise UserError("the image is missing: no bytes are stored", where=where, fix=fix)
        return data, where

    def check_refs(self, items: Sequence[Item]) -> None:
        """Raise UserError for rows whose images are not stored."""
        faults = [
            (number, "images", f"there is no photo {ref!r}")
            for number, item in enumerate(items)
            for ref in item.images
            if ref not in self._index
        ]
        if faults:
            raise _faulty(faults, self._where.replace("photos", "items"))

    def digest(self, files: Sequence[Path], items: Iterable[Item]) -> str:
        """Identity of all stored images: references and file bytes, whatever the items show."""
        whole = hashlib.sha256()
        for stored in self._table:
            whole.update(f"{stored['ref']}\n".encode())
            whole.update(hashlib.sha256((stored["image"] or {}).get("bytes") or b"").digest())
        return whole.hexdigest()


def _load(path: Path, config: str) -> "Dataset":
    from datasets import exceptions, load_dataset

    where = f"{path}, config {config!r}"
    try:
        with quiet():
            return load_dataset(str(path), config, split="train", cache_dir=_cache(path))
    except (FileNotFoundError, ValueError, exceptions.DatasetsError) as error:
        first = str(error.__cause__ or error).strip().splitlines()[0]
        raise UserError(
            f"cannot read the folder: {first}", where=where, fix="see README.md of a written one"
        ) from error


def _cache(path: Path) -> str:
    """A cache of this folder as it is now. By default `datasets` (5.2) tells local folders with a data card apart by
    their last name alone, and hands out the rows of another folder, or of an older state of this one."""
    from datasets import config

    files = sorted(file for file in path.rglob("*") if file.is_file())
    stamps = (f"{file.relative_to(path)} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)
    return str(Path(config.HF_DATASETS_CACHE) / f"smllmun_bench-{digest_of(path.resolve(), *stamps)[:16]}")
