"""The page that tells how to plug in a data set is true, and a published benchmark runs from its files."""

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.data.registry import _OURS, open_source
from smllmun_bench.data.source import Split

DOCS = Path(__file__).parents[2] / "docs"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def documented(upstream, tmp_path, monkeypatch) -> Path:
    """The task file of the page, with data of the shape that the page shows."""
    page = (DOCS / "add_a_task.md").read_text()
    task = tmp_path / "my-task.yaml"
    task.write_text(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1])
    monkeypatch.chdir(tmp_path)
    upstream.folder = tmp_path / "my-data"

    def row(person, question):
        upstream.picture(f"photos/{person}.png")
        return {"person": person, "q": question, "a": "Oslo", "photo": f"{person}.png"}

    upstream.jsonl("forget.jsonl", [row("p1", "Where does she live?")])
    upstream.jsonl("retain.jsonl", [row("p2", "Where does he live?"), row("p3", "And where is this?")])
    upstream.jsonl("seen.jsonl", [row("p1", "Which city is on the poster?")])
    return task


def test_the_documented_task_is_valid_and_its_data_fit(documented):
    assert run("validate", documented).exit_code == 0
    done = run("data", "validate", "my-data", "--task", documented)
    assert done.exit_code == 0, done.output
    assert "4 items; entities: 1 forget, 2 retain, 1 understanding_forget" in done.stdout


def test_every_published_adapter_says_where_its_files_are_missing(tmp_path):
    from smllmun_bench.errors import UserError

    theirs = set(_OURS) - {"smllmun_synthetic", "canonical_folder", "easy_vqa", "general_language", "mapped"}
    assert len(theirs) == 21
    for name in sorted(theirs):
        with pytest.raises(UserError) as error:
            open_source(name, {"path": str(tmp_path)}).items(Split.EVALUATE)
        assert str(tmp_path) in error.value.where
        with pytest.raises(UserError, match="there is no such folder"):
            open_source(name, {"path": str(tmp_path / "nowhere")})


def test_a_task_that_only_asks_cannot_run(tmp_path):
    done = run("run", "--method", "ga", "--task", "pope", "--data", tmp_path)
    assert (done.exit_code, "has nothing to forget" in done.stderr) == (2, True)
    done = run("run", "--method", "ga", "--task", "smllmun-nano", "--data", tmp_path)
    assert (done.exit_code, "makes its data itself" in done.stderr) == (2, True)


def test_a_general_set_lies_in_a_folder_of_its_name(documented, upstream):
    from smllmun_bench import tasks
    from smllmun_bench.data.combined import TaskData
    from smllmun_bench.schema import Fold, Role

    row = {"question": "Is there a dog?", "answer": "no", "image": "i.png", "category": "random"}
    upstream.picture("pope/i.png", 3)
    upstream.json("pope/pope.json", [row | {"id": n} for n in range(9)])
    text = documented.read_text().replace(
        "{adapter: easy_vqa, sample: 200, seed: 0}", "{adapter: pope, sample: 5, seed: 0}"
    )
    documented.write_text(text)
    data = TaskData(tasks.load(documented), 10, upstream.folder)
    general = [item for item in data.evaluation(Fold.TEST) if item.role is Role.GENERAL]
    assert [item.benchmark for item in general] == ["pope"] * 5
    assert data.image(general[0].images[0]).size == (8, 8)
    assert data.general_training() == []


@pytest.mark.slow
def test_a_published_benchmark_runs_from_its_files(upstream, nano_store, tmp_path):
    store = shutil.copytree(nano_store, tmp_path / "store")
    folder = upstream.mllmu()
    out = tmp_path / "out"
    data = ["--task", "mllmu-bench/forget-10", "--data", folder]
    done = run("run", "--method", "ga", *data, "--model", "nano", "--store", store, "--output", out)
    assert done.exit_code == 0, done.output
    runs = sorted(path.name for path in out.iterdir() if path.is_dir())
    assert len(runs) == 4
    assert all("mllmu-bench.forget-10-f10" in name for name in runs)
    (mine,) = (path for path in out.iterdir() if path.name.startswith("ga-"))
    scored = run("score", mine / "predictions.parquet", *data)
    assert scored.exit_code == 0, scored.output
