"""Writes any source in the canonical format, row by row, so that `canonical_folder` reads the same items back."""

import io
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smllmun_bench.data.hf import COLUMNS, PUBLISHED, item_features, photo_features, plain
from smllmun_bench.data.published import BOTH, Entry
from smllmun_bench.data.rows import Row, RowSource
from smllmun_bench.data.source import Source
from smllmun_bench.errors import UserError
from smllmun_bench.store.atomic import whole_folder

if TYPE_CHECKING:
    from datasets import Features

BATCH = 512  # rows, or photos, that are held at a time
_CARD = """\
---
configs:
- config_name: items
  data_files: items/train.parquet
  default: true
{photos}---

# {name}, converted

Items of `{name}` in the canonical format of S-MLLMUn Bench, with the pictures as they were stored. `role` is the one
that the published split gives; `use` is `train`, `evaluate` or `both`.

Licence of the source: {licence}. Converting changes nothing about it: do not pass this folder on unless it allows that.
"""

_PHOTOS = """\
- config_name: photos
  data_files: photos/train.parquet
"""


def convert(source: Source, out: Path, *, licence: str) -> tuple[int, int]:
    """Write `source` to the folder `out`, which appears whole or not at all; gives the numbers of items and photos.

    Raises UserError for an item id that stands twice, a missing image, and a source that is not a table of items.
    """
    lines = _lines(source)
    seen: set[str] = set()
    photos: dict[str, None] = {}

    def items() -> Iterator[dict[str, object]]:
        for line in lines:
            name = str(line["item_id"])
            if name in seen:
                raise UserError(f"item id {name!r} stands twice", where=source.name)
            seen.add(name)
            photos.update(dict.fromkeys(line["images"]))
            yield line

    with whole_folder(out) as folder:
        _stream(folder / "items" / "train.parquet", items(), item_features())
        if photos:  # a set in words alone has none, and `datasets` does not load an empty table
            opened = _opener(source)
            stored = ({"ref": ref, "image": {"bytes": opened(ref), "path": None}} for ref in photos)
            _stream(folder / "photos" / "train.parquet", stored, photo_features())
        card = _CARD.format(name=source.name, licence=licence, photos=_PHOTOS if photos else "")
        (folder / "README.md").write_text(card, encoding="utf-8")
    return len(seen), len(photos)


def _lines(source: Source) -> Iterator[dict[str, Any]]:
    """Stored rows: a row source keeps its folds, a published or general one its roles."""
    if isinstance(source, RowSource):
        return (_line(row) for row in source.rows)
    stream: Callable[[], Iterator[Entry]] | None = getattr(source, "stream", None)
    if stream is None:
        raise UserError(f"{source.name} cannot be converted", fix="`smllmun-bench data build` for the synthetic set")
    return (_published(entry) for entry in stream())


def _line(row: Row) -> dict[str, Any]:
    return _plain(asdict(row.item) | {"use": row.use, "fold": row.fold, "forget_rank": row.forget_rank})


def _published(entry: Entry) -> dict[str, Any]:
    use = "both" if set(entry.uses) == set(BOTH) else entry.uses[0]
    return _plain(asdict(entry.item) | {"use": use, "fold": PUBLISHED, "forget_rank": None})


def _plain(line: dict[str, object]) -> dict[str, Any]:
    return {column: plain(line[column]) for column in COLUMNS}


def _opener(source: Source) -> Callable[[str], bytes]:
    """The stored bytes where the source has them, else the picture as PNG."""
    stored: Callable[[str], bytes] | None = getattr(source, "image_bytes", None)
    if stored is not None:
        return stored

    def png(ref: str) -> bytes:
        file = io.BytesIO()
        source.image(ref).save(file, "PNG")
        return file.getvalue()

    return png


def _stream(path: Path, rows: Iterator[dict[str, Any]], features: "Features") -> None:
    """Write rows batch by batch, with the features that `datasets` reads back."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir()
    schema = features.arrow_schema
    with pq.ParquetWriter(path, schema) as writer:
        batch: list[dict[str, Any]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == BATCH:
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
                batch = []
        if batch:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
