"""Predictions from anywhere: what is wrong is said with its row and key."""

import math
from pathlib import Path

import pytest

from smllmun_bench.errors import UserError
from smllmun_bench.results.predictions import read_predictions, write_predictions
from smllmun_bench.schema import Prediction


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "p.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def test_both_forms_give_the_same_records(tmp_path: Path) -> None:
    first = '{"item_id": "a", "run_id": "r", "text": "[forget] é"}'
    second = '{"item_id": "b", "run_id": "r", "text": "", "option_logprobs": [-1.0, -2]}'
    lines = f"{first}\n\n{second}\n"
    wanted = [Prediction("a", "r", "[forget] é"), Prediction("b", "r", "", option_logprobs=(-1.0, -2.0))]
    write_predictions(tmp_path / "p.parquet", wanted)
    assert read_predictions(written(tmp_path, lines)) == wanted
    assert read_predictions(tmp_path / "p.parquet") == wanted


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"item_id": "a"}', "row 2, key 'text'"),
        ('{"item_id": 7, "text": ""}', "row 2, key 'item_id'"),
        ('{"item_id": "a", "text": "", "finish_reason": "eos"}', "row 2, key 'finish_reason'"),
        ('{"item_id": "a", "text": "", "latency_s": NaN}', "row 2"),
        ("{", "row 2"),
    ],
)
def test_a_fault_is_placed(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        read_predictions(written(tmp_path, '{"item_id": "ok", "text": "x"}\n' + line + "\n"))
    assert says in str(caught.value)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 faults") as caught:
        read_predictions(written(tmp_path, '{"item_id": "a"}\n{"text": "b"}\n'))
    assert "row 1, key 'text'" in str(caught.value)
    assert "row 2, key 'item_id'" in str(caught.value)


def test_keys_that_no_prediction_has_are_ignored_and_named(tmp_path: Path) -> None:
    path = written(tmp_path, '{"item_id": "a", "text": "x", "txt": "y"}\n{"item_id": "b", "text": "x", "model": "z"}\n')
    told: list[str] = []
    assert [row.item_id for row in read_predictions(path, tell=told.append)] == ["a", "b"]
    (note,) = told
    assert "'model' (in 1 of 2 rows" in note
    assert "'txt' (in 1 of 2 rows; is it 'text'?)" in note
    with pytest.warns(UserWarning, match="'txt'"):
        read_predictions(path)


def test_a_model_that_gave_nan_can_be_scored_again(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.parquet", [Prediction("a", "r", "", option_logprobs=(float("nan"), -1.0))])
    (row,) = read_predictions(tmp_path / "p.parquet")
    assert row.option_logprobs is not None
    assert math.isnan(row.option_logprobs[0])


@pytest.mark.parametrize(("name", "says"), [("p.txt", "cannot tell what"), ("none.jsonl", "no such file")])
def test_files_that_are_none(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        read_predictions(tmp_path / name)


def test_an_empty_file_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no prediction"):
        read_predictions(written(tmp_path, "\n"))
