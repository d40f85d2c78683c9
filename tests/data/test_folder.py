"""A written folder reads back as the same rows and pixels, and a broken one says what is broken."""

import io
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from smllmun_bench.data.folder import canonical_folder
from smllmun_bench.data.source import Split
from smllmun_bench.data.synthetic.smllmun import smllmun_synthetic, write_folder
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fold

PROFILES = 20


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Nothing is left in the user's cache."""
    import datasets.config

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "bench"
    write_folder(path, profiles=PROFILES, seed=5)
    return path


@pytest.fixture
def copy(written, tmp_path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "copy"))


def edit(path: Path, config: str, change) -> None:
    """Rewrite one Parquet file: `change` gets the list of its rows. The schema, with its features, stays."""
    file = path / config / "train.parquet"
    table = pq.read_table(file)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), file)


def test_round_trip_is_exact(written):
    stored, memory = canonical_folder(written), smllmun_synthetic(PROFILES, seed=5)
    assert stored.rows == memory.rows
    for split in Split:
        for fold in Fold:
            assert stored.items(split, fold) == memory.items(split, fold)
    refs = {ref for split in Split for item in stored.items(split) for ref in item.images}
    for ref in sorted(refs)[::17]:
        assert stored.image(ref).tobytes() == memory.image(ref).tobytes()


def test_reading_twice_gives_one_digest_and_ratios_differ(written):
    assert canonical_folder(written).digest == canonical_folder(written).digest
    assert canonical_folder(written).digest != canonical_folder(written, forget_percent=5).digest


def test_it_is_a_normal_datasets_folder(written):
    import datasets

    assert datasets.get_dataset_config_names(str(written)) == ["items", "photos", "entities"]
    entities = datasets.load_dataset(str(written), "entities", split="train")
    assert len(entities) == PROFILES + 4
    photos = datasets.load_dataset(str(written), "photos", split="train")
    assert photos[0]["image"].size == (48, 48)


def test_the_card_names_licence_and_origin(written):
    card = (written / "README.md").read_text()
    assert card.startswith("---\nlicense: cc-by-4.0\n")
    assert "| seed | 5 |" in card


def test_a_folder_of_the_same_name_is_not_mistaken_for_this_one(written, tmp_path):
    other = tmp_path / written.name
    write_folder(other, profiles=PROFILES, seed=6)
    assert canonical_folder(other).rows != canonical_folder(written).rows


def test_nothing_is_written_over(written):
    before = sorted(written.rglob("*"))
    with pytest.raises(UserError, match="something already"):
        write_folder(written, profiles=PROFILES)
    assert sorted(written.rglob("*")) == before


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr("smllmun_bench.data.synthetic.smllmun.card", fail)
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "bench", profiles=PROFILES)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        canonical_folder(tmp_path / "nowhere")


def test_a_folder_without_items(copy):
    shutil.rmtree(copy / "items")
    with pytest.raises(UserError, match="cannot read the folder") as error:
        canonical_folder(copy)
    assert str(copy) in error.value.where


def test_a_missing_column(copy):
    file = copy / "items" / "train.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["answer"]).replace_schema_metadata(None), file)
    with pytest.raises(UserError, match="column 'answer' is missing") as error:
        canonical_folder(copy)
    assert error.value.where == f"{copy}, config 'items'"


def test_a_misspelt_column(copy):
    file = copy / "items" / "train.parquet"
    table = pq.read_table(file)
    extra = table.append_column("foldd", table["fold"]).replace_schema_metadata(None)
    pq.write_table(extra, file)
    with pytest.raises(UserError, match="unknown column 'foldd'") as error:
        canonical_folder(copy)
    assert error.value.fix == "'fold'"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("role", "forgotten", "row 3, key 'role': Input should be"),
        ("role", "general", "row 3, key 'role': 'general' is neither memory nor understanding"),
        ("modality", "audio", "row 3, key 'modality'"),
        ("fold", "testing", "row 3, key 'fold': 'testing' is none of"),
        ("answer", " ", "row 3, key 'answer': is empty"),
        ("answer", None, "row 3, key 'answer': Input should be a valid string"),
        ("images", ["p0000/99"], "row 3, key 'images': there is no photo 'p0000/99'"),
        ("images", [], "row 3, key 'images': 0 images do not fit"),
        ("forget_rank", 77, "row 3, key 'forget_rank'"),
    ],
)
def test_a_bad_value_is_found_with_its_row_and_key(copy, key, value, words):
    edit(copy, "items", lambda rows: rows[3].update({"fold": "retain", "forget_rank": None} | {key: value}))
    with pytest.raises(UserError) as error:
        canonical_folder(copy)
    assert words in error.value.what
    assert error.value.where == f"{copy}, config 'items'"


def test_choices_must_hold_the_answer(copy):
    def change(rows):
        next(row for row in rows if row["kind"] == "choice")["choices"] = ["a", "b"]

    edit(copy, "items", change)
    with pytest.raises(UserError, match="must hold the answer exactly once"):
        canonical_folder(copy)


def test_repeated_ids_and_many_faults_are_told_at_once(copy):
    def change(rows):
        for row in rows[:30]:
            row["item_id"] = "same"

    edit(copy, "items", change)
    with pytest.raises(UserError, match="'same' is not unique") as error:
        canonical_folder(copy)
    assert "and 22 more" in error.value.what


def png(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({"bytes": b"no image at all", "path": None}, "broken"),
        ({"bytes": png((48, 48))[:60], "path": None}, "broken"),
        ({"bytes": None, "path": "/etc/hostname"}, "no bytes are stored"),
        (None, "no bytes are stored"),
        ({"bytes": png((9000, 2)), "path": None}, "more than 8192"),
    ],
)
def test_a_bad_image_is_an_error_when_it_is_opened(copy, stored, words):
    edit(copy, "photos", lambda rows: rows[2].update(image=stored))
    source = canonical_folder(copy)
    with pytest.raises(UserError, match=words) as error:
        source.image("p0000/02")
    assert "config 'photos', row 2, key 'image' (p0000/02)" in error.value.where


def test_another_image_is_another_digest(copy, written):
    edit(copy, "photos", lambda rows: rows[2].update(image={"bytes": png((48, 48)), "path": None}))
    assert canonical_folder(copy).digest != canonical_folder(written).digest
