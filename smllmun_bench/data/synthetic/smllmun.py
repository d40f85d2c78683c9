"""S-MLLMUn Bench, reconstructed with drawings: in memory, or written as a folder for the `datasets` library."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from smllmun_bench.data.hf import COLUMNS, item_features, photo_features, plain, quiet
from smllmun_bench.data.rows import Row, RowSource
from smllmun_bench.data.source import digest_of
from smllmun_bench.data.synthetic.card import card
from smllmun_bench.data.synthetic.generator import all_rows, photo, photo_refs, synthetic_image
from smllmun_bench.data.synthetic.profiles import GENERATOR_VERSION, Profile, generate
from smllmun_bench.data.synthetic.questions import BENCHMARK
from smllmun_bench.errors import UserError
from smllmun_bench.store.atomic import whole_folder

if TYPE_CHECKING:
    from datasets import Features

__all__ = ["photo", "smllmun_synthetic", "write_folder"]

_CACHED_PHOTOS = 4096


def smllmun_synthetic(profiles: int = 200, seed: int = 0, forget_percent: int = 10, image_size: int = 48) -> RowSource:
    """The synthetic benchmark at one forget ratio; images are `image_size` pixels square. Nothing is drawn yet."""
    people = generate(profiles, seed)
    return RowSource(
        BENCHMARK,
        all_rows(people, seed),
        _Photographer(people, seed, image_size),
        image_digest=digest_of(BENCHMARK, GENERATOR_VERSION, profiles, seed, image_size),
        forget_percent=forget_percent,
    )


def write_folder(path: Path, *, profiles: int = 200, seed: int = 0, image_size: int = 48) -> None:
    """Write the synthetic benchmark to `path`, which must not exist or be empty. It appears whole or not at all."""
    with whole_folder(path) as building:
        people = generate(profiles, seed)
        _write_items(building, all_rows(people, seed))
        _write_photos(building, people, seed, image_size)
        _write_entities(building, people)
        text = card(profiles=profiles, seed=seed, image_size=image_size)
        (building / "README.md").write_text(text, encoding="utf-8")


def _write(folder: Path, config: str, columns: Mapping[str, Sequence[object]], features: "Features") -> None:
    from datasets import Dataset

    (folder / config).mkdir()
    with quiet():
        Dataset.from_dict(columns, features=features).to_parquet(folder / config / "train.parquet")


def _write_items(folder: Path, rows: Sequence[Row]) -> None:
    lines = [asdict(row.item) | {"use": row.use, "fold": row.fold, "forget_rank": row.forget_rank} for row in rows]
    columns: dict[str, list[object]] = {column: [plain(line[column]) for line in lines] for column in COLUMNS}
    _write(folder, "items", columns, item_features())


def _write_photos(folder: Path, people: Sequence[Profile], seed: int, size: int) -> None:
    refs = [(ref, profile, number) for profile in people for number, ref in enumerate(photo_refs(profile))]
    images = [{"bytes": _png(synthetic_image(profile, n, seed, size)), "path": None} for _, profile, n in refs]
    columns: dict[str, Sequence[object]] = {"ref": [ref for ref, _, _ in refs], "image": images}
    _write(folder, "photos", columns, photo_features())


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _write_entities(folder: Path, people: Sequence[Profile]) -> None:
    from datasets import Features, Value

    text = Value("string")
    columns: dict[str, list[object]] = {
        "entity_id": [p.entity_id for p in people],
        "domain": [p.domain for p in people],
        "name": [p.name for p in people],
        "fold": [p.fold for p in people],
        "forget_rank": [p.forget_rank for p in people],
        "traits": [json.dumps(p.traits.visible()) for p in people],
        "facts": [json.dumps(p.facts) for p in people],
    }
    _write(folder, "entities", columns, Features(dict.fromkeys(columns, text) | {"forget_rank": Value("int64")}))


class _Photographer:
    """Opens references of these people, keeping the last few thousand drawings."""

    def __init__(self, people: tuple[Profile, ...], seed: int, size: int) -> None:
        self._refs = {ref: (profile, n) for profile in people for n, ref in enumerate(photo_refs(profile))}
        self._draw = lru_cache(_CACHED_PHOTOS)(lambda ref: photo(*self._refs[ref], seed, size))

    def __call__(self, ref: str) -> Image.Image:
        if ref not in self._refs:
            raise UserError(f"there is no image {ref!r}", where=BENCHMARK, fix=f"{next(iter(self._refs))!r}, say")
        return Image.fromarray(self._draw(ref))
