"""Nothing that data says leads out of the folder that the user named, and nothing that it says ends in a traceback."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smllmun_bench.data.checking import check
from smllmun_bench.data.convert import convert
from smllmun_bench.data.folder import canonical_folder
from smllmun_bench.data.registry import open_source
from smllmun_bench.data.source import Split
from smllmun_bench.errors import UserError

COLUMNS = {"question": "q", "answer": "a", "entity": "id", "image": "i"}


def mapped(upstream, **changes):
    args = {"forget": "f.jsonl", "retain": "r.jsonl", "path": str(upstream.folder)} | COLUMNS | changes
    return open_source("mapped", args)


def row(entity, image=None, **changes):
    return {"id": entity, "q": f"What is {entity}?", "a": f"a {entity}", "i": image} | changes


@pytest.fixture
def folder(upstream):
    upstream.jsonl("f.jsonl", [row("1", "p/1.png")])
    upstream.jsonl("r.jsonl", [row("2", "p/2.png"), row("3", "p/2.png")])
    for number in (1, 2):
        upstream.picture(f"p/{number}.png", number)
    return upstream


# -- pictures ----------------------------------------------------------------------------------------------------------


def test_a_picture_behind_a_link_out_of_the_folder_is_refused_by_name(folder, tmp_path):
    outside = tmp_path / "secret.png"
    outside.write_bytes(folder.png(3))
    (folder.folder / "p/1.png").unlink()
    (folder.folder / "p/1.png").symlink_to(outside)
    with pytest.raises(UserError, match="a link leads out of the folder") as error:
        mapped(folder).image("file:p/1.png")
    assert str(outside) in str(error.value)
    found = {f.what: f.examples for f in check(mapped(folder)).findings}
    assert "leads out of the folder" in found["picture is missing or broken"][0]


def test_a_folder_of_pictures_behind_a_link_is_refused_too(folder, tmp_path):
    (folder.folder / "p").rename(tmp_path / "elsewhere")
    (folder.folder / "p").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="a link leads out of the folder"):
        mapped(folder).image("file:p/1.png")


def test_a_link_inside_the_folder_and_a_link_to_the_folder_are_fine(folder, tmp_path):
    (folder.folder / "p/3.png").symlink_to(folder.folder / "p/1.png")
    assert mapped(folder).image("file:p/3.png").size == (8, 8)
    (tmp_path / "link").symlink_to(folder.folder)
    assert open_source("mapped", {"forget": "f.jsonl", "path": str(tmp_path / "link")} | COLUMNS).items(Split.EVALUATE)


def test_the_cache_of_the_hub_links_its_snapshots_to_its_blobs(upstream, tmp_path):
    cache = tmp_path / "datasets--x--y"
    snapshot = cache / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (cache / "blobs").mkdir()
    (cache / "blobs" / "b1").write_text(json.dumps(row("1", "1.png")) + "\n")
    (cache / "blobs" / "b2").write_bytes(upstream.png(1))
    (snapshot / "f.jsonl").symlink_to("../../blobs/b1")
    (snapshot / "1.png").symlink_to("../../blobs/b2")
    source = open_source("mapped", {"forget": "f.jsonl", "path": str(snapshot)} | COLUMNS)
    assert source.image(source.items(Split.EVALUATE)[0].images[0]).size == (8, 8)
    (snapshot / "2.png").symlink_to("/etc/hostname")
    with pytest.raises(UserError, match="a link leads out of the folder"):
        source.image("file:2.png")


@pytest.mark.parametrize("name", ["../x.png", "/etc/x.png", "https://example.org/x.png", "C:\\x.png", "a/../../x.png"])
def test_the_path_of_a_picture_stays_below(folder, name):
    with pytest.raises(UserError, match=r"leads out of the folder|is an address"):
        mapped(folder).image(f"file:{name}")


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "é" * 150, "a\0b.png"])
def test_a_name_that_no_file_can_have_is_one_message(folder, name):
    folder.jsonl("f.jsonl", [row("1", name)])
    (finding,) = [f for f in check(mapped(folder)).findings if f.fault]
    assert finding.what == "picture is missing or broken"
    assert "cannot be the name of a file" in finding.examples[0]


# -- tables ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["../f.jsonl", "/etc/*.json", "**/../../f.jsonl", "https://h/x.json", "zip://a::b"])
def test_a_pattern_that_leads_out_of_the_folder_is_refused(folder, pattern):
    with pytest.raises(UserError, match=r"the pattern .* (leads out of the folder|is an address)"):
        mapped(folder, forget=pattern).items(Split.EVALUATE)


def test_a_table_behind_a_link_out_of_the_folder_is_refused(folder, tmp_path):
    shutil.move(folder.folder / "f.jsonl", tmp_path / "away.jsonl")
    (folder.folder / "f.jsonl").symlink_to(tmp_path / "away.jsonl")
    with pytest.raises(UserError, match="a link leads out of the folder"):
        mapped(folder).items(Split.EVALUATE)


@pytest.mark.parametrize("name", ["../..", "a/b", ".hidden", "", "x" * 80])
def test_the_name_of_a_data_set_is_a_name(folder, name):
    with pytest.raises(UserError, match="is no name of a data set"):
        mapped(folder, name=name)


@pytest.mark.parametrize("place", ["../pictures", "/etc"])
def test_the_folder_of_pictures_stays_below(folder, place):
    with pytest.raises(UserError, match="leads out of the folder"):
        mapped(folder, image_folder=place)


@pytest.mark.parametrize("hidden", ["._f.jsonl", ".ipynb_checkpoints/f-checkpoint.jsonl", "__MACOSX/f.jsonl"])
def test_what_editors_and_archives_hide_is_passed_over(upstream, hidden):
    upstream.jsonl("f/part.jsonl", [row("1")])
    (upstream.folder / "f" / hidden).parent.mkdir(exist_ok=True)
    (upstream.folder / "f" / hidden).write_bytes(b"\x00\x05\x16\x07\xff")
    upstream.jsonl("r/part.jsonl", [row("2")])
    for patterns in ({"forget": "f", "retain": "r"}, {"forget": "f/**/*.jsonl", "retain": "r/*.jsonl"}):
        assert [i.entity_id for i in mapped(upstream, **patterns).items(Split.EVALUATE)] == ["1", "2"]


def test_a_hidden_folder_can_be_named(upstream):
    upstream.jsonl(".data/f.jsonl", [row("1")])
    assert mapped(upstream, forget=".data/f.jsonl", retain=None).items(Split.EVALUATE)


@pytest.mark.parametrize("column", ["ph:o", "ph.o", "100%", "a:1:b.2"])
def test_a_column_of_any_name_holds_pictures(upstream, column):
    for name, person in (("f", "1"), ("r", "2")):
        upstream.parquet(f"{name}.parquet", [{"id": person, "q": f"{name}?", "a": "!", column: upstream.stored(1)}])
    source = mapped(upstream, forget="f.parquet", retain="r.parquet", image=column)
    (first, _) = source.items(Split.EVALUATE)
    assert source.image(first.images[0]).size == (8, 8)
    assert check(source).ok()


def test_more_worked_examples_than_there_are_people(folder):
    with pytest.raises(UserError, match="few_shot is 9999"):
        mapped(folder, few_shot=9999)
    with pytest.raises(UserError, match="few_shot is 5, but there are 2 retained people"):
        check(mapped(folder, few_shot=5))


# -- the data card of a canonical folder -------------------------------------------------------------------------------


@pytest.fixture
def canonical(folder, tmp_path):
    convert(mapped(folder), tmp_path / "canonical", licence="-")
    return tmp_path / "canonical"


def card(path, items, photos="photos/train.parquet"):
    configs = [{"config_name": "items", "data_files": items}, {"config_name": "photos", "data_files": photos}]
    (path / "README.md").write_text(f"---\n{json.dumps({'configs': configs})}\n---\n# x\n", encoding="utf-8")


@pytest.mark.parametrize(
    "files",
    [
        "https://127.0.0.1:9/items.parquet",
        "hf://datasets/a/b/items.parquet",
        "zip://items.parquet::https://127.0.0.1:9/x.zip",
        "../stolen/items/train.parquet",
        "/etc/*.parquet",
        ["items/train.parquet", "../stolen/items/train.parquet"],
        {"train": "file:///etc/items.parquet"},
        [{"split": "train", "path": ["items/../../stolen/items/train.parquet"]}],
    ],
)
def test_a_data_card_names_files_of_its_folder_only(canonical, tmp_path, files):
    shutil.copytree(canonical, tmp_path / "stolen")
    card(canonical, files)
    with pytest.raises(UserError, match=r"leads out of the folder|is an address") as error:
        canonical_folder(canonical)
    assert "config 'items'" in error.value.where


def test_a_card_behind_a_link_and_files_behind_one(canonical, tmp_path):
    shutil.move(canonical / "items", tmp_path / "items")
    (canonical / "items").symlink_to(tmp_path / "items")
    with pytest.raises(UserError, match="a link leads out of the folder"):
        canonical_folder(canonical)


def test_a_card_says_where_the_tables_lie(canonical, folder):
    expected = canonical_folder(canonical).items(Split.EVALUATE)
    (canonical / "items").rename(canonical / "rows")
    for files in ("rows/*.parquet", {"train": "rows/train.parquet"}, [{"split": "train", "path": "rows/*"}]):
        card(canonical, files)
        assert canonical_folder(canonical).items(Split.EVALUATE) == expected
    card(canonical, {"test": "rows/train.parquet"})
    with pytest.raises(UserError, match="cannot read the folder"):
        canonical_folder(canonical)


@pytest.mark.parametrize(
    "text", ["---\nconfigs: 3\n---\n", "---\n{[\n---\n", "---\nconfigs: [{config_name: [1]}]\n---\n"]
)
def test_a_broken_card_is_one_message(canonical, text):
    (canonical / "README.md").write_text(text)
    with pytest.raises(UserError, match="the data card cannot be read"):
        canonical_folder(canonical)


def test_a_folder_with_a_script_and_nothing_else_is_one_message(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "set.py").write_text("import datasets\nclass Set(datasets.GeneratorBasedBuilder): ...\n")
    with pytest.raises(UserError, match="no file for items"):
        canonical_folder(tmp_path / "set")


def test_a_folder_in_words_alone_comes_back(upstream, tmp_path):
    upstream.jsonl("forget10.json", [{"question": f"Q{n}?", "answer": "a"} for n in range(20)])
    upstream.jsonl("retain90.json", [{"question": f"R{n}?", "answer": "b"} for n in range(40)])
    source = open_source("tofu", {"path": str(upstream.folder)})
    assert convert(source, tmp_path / "out", licence="-") == (60, 0)
    stored = canonical_folder(tmp_path / "out")
    for split in Split:
        assert stored.items(split) == source.items(split)
    assert not (tmp_path / "out" / "photos").exists()


def test_no_photo_is_an_error_where_items_show_some(canonical):
    shutil.rmtree(canonical / "photos")
    with pytest.raises(UserError, match="no file for photos"):
        canonical_folder(canonical)


def test_a_column_of_numbers_is_no_column_of_pictures(canonical):
    file = canonical / "photos" / "train.parquet"
    pq.write_table(pa.table({"ref": ["file:p/1.png"], "image": [3]}), file)
    with pytest.raises(UserError, match="column 'image' holds no images"):
        canonical_folder(canonical)
