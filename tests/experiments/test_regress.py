"""A regression in a method, a metric or a prompt moves a recorded score, and `regress` says so with exit code 1."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.experiments import regress
from smllmun_bench.stages import predicting


def run_regress(golden: Path, store: Path, *more: str):
    return CliRunner().invoke(app, ["regress", "--golden", str(golden), "--store", str(store), "--quiet", *more])


@pytest.fixture(scope="module")
def recorded(nano_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("regress")
    shutil.copytree(nano_store, folder / "store")
    golden = folder / "golden.json"
    begun = ("--update", "--method", "idk", "--model", "nano", "--task", "smllmun-nano", "--limit", "24")
    result = run_regress(golden, folder / "store", *begun)
    assert result.exit_code == 0, result.output
    assert set(json.loads(golden.read_text())["entries"]) == {"base", "target", "gold", "idk"}
    return golden


def test_nothing_moves_on_a_second_run_from_the_same_models(recorded: Path, nano_store: Path, tmp_path: Path) -> None:
    shutil.copytree(nano_store, tmp_path / "store")
    result = run_regress(recorded, tmp_path / "store")
    assert result.exit_code == 0, result.output
    assert "4 rows compared, 0 scores moved" in result.stdout


def test_a_method_that_trains_on_the_wrong_answers_is_caught(
    recorded: Path, nano_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smllmun_bench.methods.shared import streams

    monkeypatch.setattr(streams, "refused", streams.forget)  # "idk" that teaches the very facts, as in a public trainer
    shutil.copytree(nano_store, tmp_path / "store")
    result = run_regress(recorded, tmp_path / "store")
    assert result.exit_code == 1
    assert "MOVED" in result.stdout
    assert "idk" in result.stdout


def test_a_metric_that_broke_is_caught(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from smllmun_bench.metrics import item_metrics

    broken = {**item_metrics.ITEM_METRICS, "key_fact": lambda item, prediction: 0.0}
    monkeypatch.setattr(item_metrics, "ITEM_METRICS", broken)
    result = run_regress(recorded, recorded.parent / "store")  # predictions are reused: scores are not kept
    assert result.exit_code == 1
    assert "retain_text" in result.stdout  # what is to be forgotten is read without the limit of words, by its own rule


def test_a_prompt_that_changed_is_caught(
    recorded: Path, nano_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(predicting, "question_of", lambda item, task: "Hm?")
    shutil.copytree(nano_store, tmp_path / "store")
    result = run_regress(recorded, tmp_path / "store")
    assert result.exit_code == 1
    assert "target" in result.stdout


def test_a_score_that_disappears_has_moved() -> None:
    golden = regress.empty("toy", "smllmun-toy", 10, None)
    golden = regress.updated(golden, {"idk": {"overall": 0.5}})
    assert not regress.compare(golden, {"idk": {"overall": None}}, {}).passed
    assert regress.compare(golden, {"idk": {"overall": 0.51}}, {}).passed
    assert not regress.compare(golden, {"idk": {"overall": 0.55}}, {}).passed


def test_an_unknown_column_in_a_golden_is_named(tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    golden = json.loads(regress.empty("toy", "smllmun-toy", 10, None).model_dump_json())
    path.write_text(json.dumps(golden | {"entries": {"idk": {"forgte": 0.1}}}))
    result = run_regress(path, tmp_path / "store")
    assert result.exit_code == 2
    assert "forgte" in result.stderr
