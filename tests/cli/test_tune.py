"""The command that chooses hyperparameters, on a nano model."""

import io
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.cli.tune import points_table
from smllmun_bench.experiments.tuning import Point
from smllmun_bench.report.console import make_console
from smllmun_bench.stages import method_recipes

NANO = ("--method", "ga", "--model", "nano", "--task", "smllmun-nano", "--budget", "1", "--limit", "4")


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["tune", *map(str, arguments)], env={"COLUMNS": "160"})


@pytest.fixture(scope="module")
def store(nano_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(nano_store, tmp_path_factory.mktemp("tune") / "store"))


def test_points_are_scored_on_validation_people(store: Path) -> None:
    result = invoke(*NANO, "--set", "training.batch_size=2", "--store", store)
    assert result.exit_code == 0, result.output
    assert "ga on validation people" in result.stdout
    kept = [path.read_text() for path in store.rglob("manifest.json") if '"method": "ga"' in path.read_text()]
    assert kept
    assert all('"batch_size": 2' in text for text in kept)


def test_a_search_that_found_nothing_says_so(store: Path) -> None:
    result = invoke(*NANO, "--set", "training.weight_decay=0", "--store", store)
    assert result.exit_code == 0, result.output
    assert "only its first point" in " ".join(result.output.split())


def test_a_setting_that_the_method_does_not_have_is_named_before_anything_runs(tmp_path: Path) -> None:
    result = invoke(*NANO, "--set", "training.batch=2", "--store", tmp_path)
    assert result.exit_code == 2
    assert "training.batch_size" in result.output
    assert not list(tmp_path.iterdir())


def test_data_is_read_from_the_folder_that_is_named(tmp_path: Path) -> None:
    result = invoke(*NANO, "--data", tmp_path / "nowhere", "--store", tmp_path)
    assert result.exit_code == 2
    assert "makes its data itself" in result.output


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_setting_is_cut_inside_a_number(width: int) -> None:
    settings = ("training.lr=0.000316", "training.steps=1280", "anchor.weight=12.5", "layers=[3, 17]")
    failed = "the training diverged: the loss is not a number at step 1234567 of 1280"
    ga = method_recipes.choose("ga", "toy", ())
    tried = [Point(settings, ga, overall=0.9375), Point(settings, ga, error=failed)]
    stream = io.StringIO()
    make_console(file=stream, width=width).print(points_table("ga", tried))
    text = stream.getvalue()
    for whole in (*settings, "0.938", "1234567"):
        assert re.search(rf"(?<!\S){re.escape(whole)}(?!\S)", text), whole
