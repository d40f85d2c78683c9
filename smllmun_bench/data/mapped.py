"""Anybody's tables, by naming their columns in the task file: a data set of its own without a line of Python.

    adapter:
      name: mapped
      args: {forget: forget.jsonl, retain: retain.jsonl, entity: person_id, question: q, answer: a, image: photo}

Files are globs below the folder (or folder names), one argument for each role. Columns may be dotted (`meta.id`). The
folder (`path`) may be what `save_to_disk` of `datasets` wrote, its splits being folders, or the id of a data set on the
hub, which is fetched with `--online`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, create_model

from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.data.images import StoredImages
from smllmun_bench.data.published import BOTH, Entry, PublishedSource, make_item, sided
from smllmun_bench.data.rows import Use
from smllmun_bench.data.table_files import Place, find
from smllmun_bench.data.tables import ImageRefs, Texts, Upstream, read
from smllmun_bench.errors import UserError, unknown
from smllmun_bench.schema import Kind, Role

_NAME = re.compile(r"\w[\w .-]{0,63}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_NAME_IS = "up to 64 letters, digits, blanks, dots and dashes, a letter or a digit first"
TRAINED = (Role.FORGET, Role.RETAIN, Role.UNDERSTANDING_FORGET, Role.UNDERSTANDING_RETAIN)


def mapped(
    question: str,
    answer: str,
    path: Path | None = None,
    forget_percent: int = 10,
    name: str = "mapped",
    entity: str | None = None,
    image: str | None = None,
    choices: str | None = None,
    accepted: str | None = None,
    keywords: str | None = None,
    paraphrases: str | None = None,
    perturbed: str | None = None,
    group: str | None = None,
    pair: str | None = None,
    kind: str = "open",
    kind_column: str | None = None,
    image_folder: str = "",
    forget: str | None = None,
    retain: str | None = None,
    understanding_forget: str | None = None,
    understanding_retain: str | None = None,
    test: str | None = None,
    real: str | None = None,
    general: str | None = None,
    train: str | None = None,
    few_shot: int = 0,
) -> PublishedSource:
    """Tables whose columns the task names. `question`, `answer` … are columns; `forget`, `retain` … are files.

    `entity`: the column that says who a row is about (without it each row is about somebody of its own). `kind`: the
    form of all questions, unless `kind_column` names a column of it. `train`: files that are trained on, with the
    people of `forget` and `retain` told by their entity; without it, the rows of those files train as well.
    `forget_percent` is nominal: the files say who is forgotten.
    """
    if kind not in [known.value for known in Kind]:
        raise unknown("kind", kind, [known.value for known in Kind], where="adapter 'mapped', key 'kind'")
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name of a data set", where="adapter 'mapped', key 'name'", fix=_NAME_IS)
    folder = _folder(path)
    files: dict[Role, str | None] = {
        Role.FORGET: forget,
        Role.RETAIN: retain,
        Role.UNDERSTANDING_FORGET: understanding_forget,
        Role.UNDERSTANDING_RETAIN: understanding_retain,
        Role.TEST: test,
        Role.REAL: real,
        Role.GENERAL: general,
    }
    named = {role: pattern for role, pattern in files.items() if pattern}
    if not named:
        raise UserError("no file is named", where="adapter 'mapped'", fix="forget: forget.jsonl, retain: retain.jsonl")
    columns = {
        "question": question,
        "answer": answer,
        "entity": entity,
        "images": image,
        "choices": choices,
        "accepted": accepted,
        "keywords": keywords,
        "paraphrases": paraphrases,
        "perturbed_answers": perturbed,
        "group": group,
        "pair_id": pair,
        "kind": kind_column,
    }
    model = _model({key: column for key, column in columns.items() if column})
    described = _Described(name, folder, model, Kind(kind), entity is not None)
    tables = [file for pattern in (*named.values(), train) if pattern for file in find(folder, pattern)]
    images = StoredImages(folder, image_folder)
    return PublishedSource(name, lambda: sided(described.entries(named, train)), images, tables, few_shot=few_shot)


def _folder(path: Path | None) -> Path:
    """The folder, or the files of a hub data set of that id where there is no such folder."""
    if path is not None and not path.is_dir() and _HUB_ID.fullmatch(path.as_posix()):
        return locate(None, Hub(path.as_posix()))
    return locate(path, None)


@dataclass(frozen=True, slots=True)
class _Described:
    """Tables of one form: rows of `model` in files below `folder`."""

    name: str
    folder: Path
    model: type[Upstream]
    kind: Kind
    has_entity: bool

    def entries(self, named: Mapping[Role, str], train: str | None) -> Iterator[Entry]:
        """Rows of the roles' files, which train as well where no file is named for that; then those of `train`."""
        for role, pattern in named.items():
            uses = BOTH if role in TRAINED and train is None else (Use.EVALUATE,)
            yield from self._rows(pattern, role, uses)
        if train is not None:
            yield from self._rows(train, Role.RETAIN, (Use.TRAIN,))

    def _rows(self, pattern: str, role: Role, uses: tuple[Use, ...]) -> Iterator[Entry]:
        for place, row in read(self.folder, self.model, pattern):
            yield Entry(_item(self.name, row, role, place, self.kind, self.has_entity), uses)


_TYPES: Mapping[str, Any] = {
    "question": str,
    "answer": str,
    "entity": Annotated[str, Field(min_length=1)],
    "images": ImageRefs,
    "kind": Kind,
    "group": str,
    "pair_id": str,
}
_OPTIONAL = ("images", "choices", "accepted", "keywords", "paraphrases", "perturbed_answers")


def _model(columns: Mapping[str, str]) -> type[Upstream]:
    """A row type with one field for each named column."""
    from pydantic import AliasChoices, AliasPath

    fields: dict[str, Any] = {}
    for key, column in columns.items():
        alias = AliasChoices(column, AliasPath(*column.split(".")))  # a column's own name may have a dot
        default = () if key in _OPTIONAL else ...
        fields[key] = (_TYPES.get(key, Texts), Field(default, validation_alias=alias))
    return create_model("MappedRow", __base__=Upstream, **fields)


def _item(name: str, row: Any, role: Role, place: Place, kind: Kind, has_entity: bool) -> Any:
    own = f"{place.file}.{place.number}"
    values = row.model_dump(exclude={"question", "answer", "entity", "images", "kind"})
    return make_item(
        name,
        f"{name}.{own}",
        row.entity if has_entity else own,
        role,
        getattr(row, "kind", kind),
        row.question,
        row.answer,
        images=getattr(row, "images", ()),
        **values,
    )
