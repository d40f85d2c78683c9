"""`data validate` says what is wrong with a data set, and `data convert` loses nothing."""

import json

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.data.benchmarks.mllmu import mllmu_bench
from smllmun_bench.data.checking import check
from smllmun_bench.data.convert import convert
from smllmun_bench.data.folder import canonical_folder
from smllmun_bench.data.registry import open_source
from smllmun_bench.data.source import Split
from smllmun_bench.data.synthetic.smllmun import smllmun_synthetic
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fold

TASK = "mllmu-bench/forget-10"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def run(*arguments):
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def mapped(upstream, forget, retain):
    upstream.jsonl("f.jsonl", forget)
    upstream.jsonl("r.jsonl", retain)
    args = {"forget": "f.jsonl", "retain": "r.jsonl", "question": "q", "answer": "a", "entity": "id", "image": "i"}
    return open_source("mapped", args | {"path": str(upstream.folder), "image_folder": "."})


def row(entity, question="Which job?", answer="pilot", image=None):
    return {"id": entity, "q": f"{question} {entity}", "a": answer, "i": image}


def found(source, **options):
    return {finding.what: finding for finding in check(source, **options).findings}


def test_a_good_folder_is_fit(upstream):
    source = mapped(upstream, [row("1")], [row("2"), row("3")])
    report = check(source)
    assert (report.ok(strict=True), report.items, report.entities) == (True, 3, {"forget": 1, "retain": 2})


@pytest.mark.parametrize(
    ("forget", "retain", "what", "fault"),
    [
        ([row("1")], [row("1", "What else?")], "entity is forgotten and retained", True),
        (
            [row("1") | {"q": "Same?"}],
            [row("2") | {"q": "Same?"}],
            "question stands on both sides of the request",
            True,
        ),
        ([row("1")], [], "nobody has the role 'retain'", True),
        ([row("1", answer=" ")], [row("2")], "answer is empty", True),
        ([row("1", "Is the pilot a pilot?")], [row("2")], "the answer stands in the question", False),
        ([row("1"), row("1")], [row("2")], "same question, pictures and answer of one entity", False),
        ([row("1", image="nowhere.png")], [row("2")], "picture is missing or broken", True),
    ],
)
def test_what_is_wrong_is_named_with_an_example(upstream, forget, retain, what, fault):
    upstream.jsonl("r.jsonl", retain)
    findings = found(mapped(upstream, forget, retain))
    assert findings.keys() == {what}
    assert (findings[what].fault, findings[what].times, len(findings[what].examples)) == (fault, 1, 1)


def test_one_picture_on_both_sides_is_a_warning_by_its_bytes(upstream):
    upstream.picture("a.png", 1)
    upstream.picture("b.png", 1)
    source = mapped(upstream, [row("1", image="a.png")], [row("2", image="b.png")])
    assert found(source).keys() == {"picture is shown on both sides of the request"}
    assert found(source, images=False).keys() == set()


def test_the_synthetic_set_is_fit():
    report = check(smllmun_synthetic(20, forget_percent=10), images=False)
    assert report.ok()
    assert set(report.entities) == {"forget", "retain", "understanding_forget", "understanding_retain", "test"}


def test_the_command_has_an_exit_code_for_ci(upstream, tmp_path):
    folder = upstream.mllmu()
    good = run("validate", folder, "--task", TASK)
    assert good.exit_code == 0, good.output
    assert "118 items; entities: 2 forget, 6 retain, 8 test, 1 real; 31 pictures, opened" in good.stdout
    assert "licence: none stated upstream; not shipped" in good.stdout
    assert run("validate", folder, "--task", TASK, "--strict").exit_code == 1  # a truth stands twice among the options
    report = json.loads(run("validate", folder, "--task", TASK, "--json", "--no-images").stdout)
    assert (report["ok"], report["items"], report["images_opened"]) == (True, 118, False)
    assert run("validate", tmp_path / "nowhere", "--task", TASK).exit_code == 2
    assert run("validate", folder, "--task", "smllmun-toy").exit_code == 2
    upstream.parquet("forget_10", [upstream.mllmu_person(0), upstream.mllmu_person(0)])
    twice = run("validate", folder, "--task", TASK)
    assert (twice.exit_code, "item id stands twice (8)" in twice.stdout) == (1, True)


def test_converted_data_is_the_same_in_every_split(upstream, tmp_path):
    folder = upstream.mllmu()
    done = run("convert", folder, "--task", TASK, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "(118 items, 31 photos; licence: none stated upstream; not shipped)" in done.stdout
    stored, source = canonical_folder(tmp_path / "out"), mllmu_bench(folder)
    for split in Split:
        for fold in Fold:
            assert stored.items(split, fold) == source.items(split, fold)
    for ref in {ref for item in source.items(Split.EVALUATE) for ref in item.images}:
        assert stored.image(ref).tobytes() == source.image(ref).tobytes()
    assert "Licence of the source: none stated" in (tmp_path / "out" / "README.md").read_text()


def test_a_row_source_keeps_its_folds(tmp_path):
    source = smllmun_synthetic(20, seed=2)
    convert(source, tmp_path / "out", licence="CC-BY-4.0")
    stored = canonical_folder(tmp_path / "out")
    assert stored.rows == source.rows


def test_nothing_is_left_of_a_conversion_that_fails(upstream, tmp_path):
    source = mapped(upstream, [row("1", image="nowhere.png")], [row("2")])
    with pytest.raises(UserError, match="no such image file"):
        convert(source, tmp_path / "out", licence="-")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))
