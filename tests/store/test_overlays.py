"""Stores with a rule of their own: make nothing, make all but models anew; and layers that can be shipped."""

import json
import shutil
from pathlib import Path

import pytest

from smllmun_bench.errors import UserError
from smllmun_bench.store import upkeep
from smllmun_bench.store.overlays import FinishedStore, FreshStore, copy_layer
from smllmun_bench.store.store import Request, Store, StoredStage

MODEL = Request("memorise", 1, {"data": "a"})
FITTED = Request("unlearn", 1, {"method": "ga"})


def made(store: Store, request: Request, text: str) -> StoredStage:
    return store.get_or_make(request, lambda folder: (folder / "answer").write_text(text) and None)


def answer(entry: StoredStage) -> str:
    return (entry.path / "answer").read_text()


def test_a_finished_store_gives_what_is_there_and_makes_nothing(tmp_path: Path) -> None:
    made(Store(tmp_path), MODEL, "old")
    store = FinishedStore(tmp_path)
    assert answer(made(store, MODEL, "new")) == "old"
    with pytest.raises(UserError, match="stage 'unlearn' is not in the store"):
        made(store, FITTED, "new")
    assert [path.parts[-3] for path in store.entries()] == ["memorise"]


def test_a_fresh_store_shares_models_and_fits_again(tmp_path: Path) -> None:
    shared = Store(tmp_path / "shared")
    for request in (MODEL, FITTED):
        made(shared, request, "old")
    fresh = FreshStore(tmp_path / "fresh", shared)
    assert answer(made(fresh, MODEL, "new")) == "old"
    assert answer(made(fresh, FITTED, "new")) == "new"
    assert answer(made(shared, FITTED, "newer")) == "old"


def test_a_model_that_a_fresh_store_had_to_make_stays_in_the_shared_one(tmp_path: Path) -> None:
    shared = Store(tmp_path / "shared")
    entry = made(FreshStore(tmp_path / "fresh", shared), MODEL, "made")
    assert shared.find(MODEL) == entry


def test_a_copied_layer_is_found_and_whole_and_names_no_host(tmp_path: Path) -> None:
    entry = made(Store(tmp_path / "store"), MODEL, "kept")
    copy_layer([entry.path], tmp_path / "layer")
    shutil.rmtree(tmp_path / "store")
    behind = Store(tmp_path / "empty", [tmp_path / "layer"])
    found = behind.find(MODEL)
    assert found is not None
    assert (answer(found), found.digest) == ("kept", entry.digest)
    assert upkeep.verify(behind) == []
    assert json.loads((found.path / "manifest.json").read_text())["environment"]["host"] == ""


def test_copying_again_changes_nothing(tmp_path: Path) -> None:
    entry = made(Store(tmp_path / "store"), MODEL, "kept")
    first = copy_layer([entry.path], tmp_path / "layer")
    stamp = (first[0] / "manifest.json").stat().st_mtime_ns
    assert copy_layer([entry.path], tmp_path / "layer") == first
    assert (first[0] / "manifest.json").stat().st_mtime_ns == stamp


def test_half_an_entry_is_not_copied(tmp_path: Path) -> None:
    entry = made(Store(tmp_path / "store"), MODEL, "kept")
    (entry.path / "answer").unlink()
    with pytest.raises(UserError, match="damaged file"):
        copy_layer([entry.path], tmp_path / "layer")
    assert not (tmp_path / "layer").exists()
