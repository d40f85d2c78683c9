"""Reads a canonical folder, ours or anybody's: rows and photos as Parquet, in the places that its data card names.

`smllmun.write_folder` writes one. What does not fit is said with file, row and key, all faults of the rows at once.
`datasets` loads such a folder too, but is not asked to: it would follow a card to addresses and out of the folder.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from PIL import Image
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML

from smllmun_bench.config import NOT_YAML
from smllmun_bench.data.confined import contained, relative
from smllmun_bench.data.hf import COLUMNS, PUBLISHED
from smllmun_bench.data.identity import normal_id
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.pixels import decode
from smllmun_bench.data.published import BOTH, Entry, PublishedSource
from smllmun_bench.data.rows import MEMORY, UNDERSTANDING, Row, RowSource, Use, check_percent
from smllmun_bench.data.synthetic.profiles import FOLDS
from smllmun_bench.data.table_files import Ref, find, parquet_columns, raw_rows
from smllmun_bench.errors import UserError, unknown
from smllmun_bench.metrics.choice import right_choices
from smllmun_bench.schema import Direction, Item, Kind, Modality, Role

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
    lines = _read_lines(path, _files(path, "items"))
    shown = any(line.images for line in lines)
    photos = _Photos(path, _files(path, "photos", optional=not shown))  # a set in words alone has none
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
    entity_id: Annotated[str, AfterValidator(normal_id)]
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

    @property
    def _is_once(self) -> bool:
        return self.choices.count(self.answer) == 1

    def row(self) -> Row:
        return Row(self.item, Use(self.use), self.fold, self.forget_rank)

    def faults(self) -> Iterator[tuple[str, str]]:
        """(key, what is wrong with it) for what the types cannot say."""
        published = self.fold == PUBLISHED
        if not published and self.role not in (*MEMORY, *UNDERSTANDING):
            yield "role", f"{self.role.value!r} is neither memory nor understanding"
        if not published and self.use in ("both", Use.MEMORISE):
            yield "use", f"{str(self.use)!r} belongs to the fold {PUBLISHED!r}"
        if self.fold not in (*FOLDS, PUBLISHED):
            yield "fold", f"{self.fold!r} is none of {', '.join((*FOLDS, PUBLISHED))}"
        if (self.fold in ("forget", "validation")) != (self.forget_rank is not None):
            yield "forget_rank", "must be set for the folds forget and validation, and for no other"
        for key in ("item_id", "entity_id", "question", "answer"):
            if not getattr(self, key).strip():
                yield key, "is empty"
        if self.kind is Kind.CHOICE and not (right_choices(self.answer, self.choices) if published else self._is_once):
            yield "choices", "must hold the answer" + ("" if published else " exactly once")
        if (self.modality is Modality.IMAGE_TEXT) != bool(self.images):
            yield "images", f"{len(self.images)} images do not fit the modality {self.modality.value!r}"


def _read_lines(path: Path, files: Sequence[Path]) -> list[_Line]:
    where = f"{path}, config 'items'"
    lines, faults = [], []
    table = (values for file in files for values in _table_rows(path, file, COLUMNS, where))
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
    """Opens stored images by reference. Only bytes inside the Parquet files count, never a path."""

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        self._where = f"{path}, config 'photos'"
        self._stored = StoredImages(path)
        self._rows: dict[str, tuple[str, int]] = {}  # reference -> the row that holds it, counted over all files
        self._cells: list[str | None] = []
        for file in files:
            for values in _table_rows(path, file, ("ref", "image"), self._where):
                cell = values["image"]
                if cell is not None and not isinstance(cell, Ref):
                    raise UserError(f"column 'image' holds no images, found {cell!r}", where=self._where)
                self._rows.setdefault(str(values["ref"]), (str(values["ref"]), len(self._cells)))
                self._cells.append(cell)

    def __call__(self, ref: str) -> Image.Image:
        data, where = self.data(ref)
        return decode(data, where)

    def data(self, ref: str) -> tuple[bytes, str]:
        """The stored bytes, and where they stand."""
        if ref not in self._rows:
            raise UserError(f"there is no image {ref!r}", where=self._where)
        _, row = self._rows[ref]
        where = f"{self._where}, row {row}, key 'image' ({ref})"
        data = self._bytes(row)
        if not data:
            fix = "store the file's bytes, not a path"
            raise UserError("the image is missing: no bytes are stored", where=where, fix=fix)
        return data, where

    def _bytes(self, row: int) -> bytes:
        cell = self._cells[row]
        return self._stored.stored_bytes(cell) if cell is not None else b""

    def check_refs(self, items: Sequence[Item]) -> None:
        """Raise UserError for rows whose images are not stored."""
        faults = [
            (number, "images", f"there is no photo {ref!r}")
            for number, item in enumerate(items)
            for ref in item.images
            if ref not in self._rows
        ]
        if faults:
            raise _faulty(faults, self._where.replace("photos", "items"))

    def digest(self, files: Sequence[Path], items: Iterable[Item]) -> str:
        """Identity of all stored images: references and file bytes, whatever the items show."""
        whole = hashlib.sha256()
        for ref, row in self._rows.values():
            whole.update(f"{ref}\n".encode())
            whole.update(hashlib.sha256(self._bytes(row)).digest())
        return whole.hexdigest()


# -- which files the data card names -----------------------------------------------------------------------------------


def _files(path: Path, config: str, *, optional: bool = False) -> list[Path]:
    """The files of one config: those that the card names, else what lies in the folder of its name."""
    where = f"{path}, config {config!r}"
    patterns = _card_patterns(path, config, where) or [f"{config}/*"]
    files = [file for pattern in patterns for file in find(path, pattern)]
    if not files and not optional:
        raise UserError(
            f"cannot read the folder: no file for {', '.join(patterns)}",
            where=where,
            fix="see README.md of a written one",
        )
    return list(dict.fromkeys(files))


def _card_patterns(path: Path, config: str, where: str) -> list[str]:
    """What the front matter of README.md says about a config (its split `train`). Only files in the folder count."""
    card = path / "README.md"
    if not card.is_file():
        return []
    contained(card, path)
    head = _FRONT.match(card.read_text(encoding="utf-8", errors="replace"))
    try:
        written = YAML(typ="safe", pure=True).load(head[1]) if head else None
        known = _Card.model_validate(written or {})
    except (*NOT_YAML, ValidationError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"the data card cannot be read: {first}", where=f"{card}, key 'configs'") from None
    patterns: list[str] = []
    for entry in known.configs:
        if entry.config_name == config:
            patterns += [str(_below(entry.data_dir, name, where)) for name in entry.patterns]
    return patterns


def _below(folder: str, name: str, where: str) -> PurePosixPath:
    return relative(folder, where=where, what="folder") / relative(name, where=where, what="pattern")


class _DataFiles(BaseModel):
    split: str = "train"
    path: str | list[str]


class _Config(BaseModel):
    config_name: str
    data_dir: str = ""
    data_files: str | list[str | _DataFiles] | dict[str, str | list[str]] = Field(default_factory=list)

    @property
    def patterns(self) -> list[str]:
        named = self.data_files
        if isinstance(named, dict):
            named = [_DataFiles(split=split, path=path) for split, path in named.items()]
        found: list[str] = []
        for one in [named] if isinstance(named, str) else named:
            if isinstance(one, str):
                found.append(one)
            elif one.split == "train":
                found += [one.path] if isinstance(one.path, str) else one.path
        return found


class _Card(BaseModel):
    configs: list[_Config] = Field(default_factory=list)


_FRONT = re.compile(r"\s*---\s*\n(.*?)\n---\s*(?:\n|$)", re.DOTALL)


def _table_rows(path: Path, file: Path, columns: Sequence[str], where: str) -> Iterator[dict[str, Any]]:
    """Rows of one file; with `columns`, which must be all that there are."""
    rows = raw_rows(file, path)
    if file.suffix == ".parquet":
        _check_columns(parquet_columns(file), columns, where)
    for _, values in rows:
        if file.suffix != ".parquet":
            _check_columns(list(values), columns, where)
        yield values
