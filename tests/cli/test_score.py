"""`score` on files: ours to the same bytes as the live run, without torch; other tools' logs."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from smllmun_bench import tasks
from smllmun_bench.cli.main import app
from smllmun_bench.data.combined import TaskData
from smllmun_bench.results.predictions import write_predictions
from smllmun_bench.results.scored_items import write_scored_items
from smllmun_bench.schema import Fold, Item, Kind, Prediction
from smllmun_bench.scoring.items import score_items
from smllmun_bench.scoring.summary import summarise

TASK = "smllmun-nano"
HEAVY = ("torch", "transformers", "datasets", "pandas", "peft")


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def items() -> list[Item]:
    spec = tasks.load(TASK)
    return list(TaskData(spec, spec.forget_percents.default).evaluation(Fold.TEST))


@pytest.fixture(scope="module")
def answers(items: list[Item]) -> list[Prediction]:
    """A run that is right now and then, refuses, babbles, and weighs options."""
    spoken = ("I do not know.", "is is is is is is is is", "blue")
    return [
        Prediction(
            item.item_id,
            "run",
            "" if item.kind is Kind.CHOICE else item.answer if n % 2 else spoken[n % 3],
            finish_reason="none" if item.kind is Kind.CHOICE else "stop",
            option_logprobs=tuple(-float((n + i) % 5) for i in range(len(item.choices))) or None,
            answer_logprobs=(-0.5, -0.25 * (n % 3)),
        )
        for n, item in enumerate(items)
    ]


def as_jsonl(path: Path, answers: list[Prediction], **extra: object) -> Path:
    rows = [
        {
            "item_id": p.item_id,
            "text": p.text,
            "finish_reason": p.finish_reason,
            "option_logprobs": p.option_logprobs,
            "answer_logprobs": p.answer_logprobs,
            **extra,
        }
        for p in answers
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_both_forms_score_to_the_bytes_of_the_live_run(
    tmp_path: Path, items: list[Item], answers: list[Prediction]
) -> None:
    scores = score_items(items, answers, tasks.load(TASK).metrics)
    live = summarise(scores).to_json() + "\n"
    write_predictions(tmp_path / "p.parquet", answers)
    write_scored_items(tmp_path / "live.parquet", items, answers, scores)
    as_jsonl(tmp_path / "p.jsonl", answers)
    for name in ("p.parquet", "p.jsonl"):
        result = invoke("score", tmp_path / name, "--task", TASK, "--json", "--output", tmp_path / "out")
        assert result.exit_code == 0, result.stderr
        assert result.stdout == live
        assert (tmp_path / "out/items.parquet").read_bytes() == (tmp_path / "live.parquet").read_bytes()


def test_extra_columns_are_ignored_and_named(tmp_path: Path, answers: list[Prediction]) -> None:
    write_predictions(tmp_path / "p.parquet", answers)
    table = pq.read_table(tmp_path / "p.parquet")
    wide = table.append_column("judge", pa.array(["x"] * len(table))).append_column(
        "tokens", pa.array([[1]] * len(table))
    )
    pq.write_table(wide, tmp_path / "wide.parquet")
    as_jsonl(tmp_path / "wide.jsonl", answers, judge="x", tokens=[1])
    plain = invoke("score", tmp_path / "p.parquet", "--task", TASK)
    for name in ("wide.parquet", "wide.jsonl"):
        result = invoke("score", tmp_path / name, "--task", TASK)
        assert (result.exit_code, result.stdout) == (0, plain.stdout)
        assert f"note: {tmp_path / name}: ignored, since no prediction has it: 'judge', 'tokens'" in result.stderr


def test_columns_that_scoring_can_do_without_may_be_missing(tmp_path: Path, answers: list[Prediction]) -> None:
    write_predictions(tmp_path / "p.parquet", answers)
    table = pq.read_table(tmp_path / "p.parquet")
    pq.write_table(
        table.drop_columns(["run_id", "attack", "latency_s", "perturbed_logprobs"]), tmp_path / "few.parquet"
    )
    assert invoke("score", tmp_path / "few.parquet", "--task", TASK).exit_code == 0


def test_a_wrong_cell_names_file_row_and_column(tmp_path: Path, answers: list[Prediction]) -> None:
    rows = [{"item_id": p.item_id, "text": p.text} for p in answers]
    rows[3]["text"] = None  # type: ignore[typeddict-item]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "bad.parquet")
    result = invoke("score", tmp_path / "bad.parquet", "--task", TASK)
    assert result.exit_code == 2
    assert f"{tmp_path / 'bad.parquet'}, row 4, key 'text'" in result.stderr
    assert "Traceback" not in result.stderr


def test_scoring_imports_no_model_library(tmp_path: Path, answers: list[Prediction]) -> None:
    write_predictions(tmp_path / "p.parquet", answers)
    code = (
        "import sys\nfrom smllmun_bench.cli.main import app\n"
        f"try:\n    app(['score', {str(tmp_path / 'p.parquet')!r}, '--task', {TASK!r}])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_a_foreign_log_from_the_command_line(tmp_path: Path) -> None:
    row = {"doc_id": 0, "target": "yes", "filtered_resps": ["Yes."], "acc": 1.0}
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps(row) + "\n")
    found = json.loads(invoke("score", "--format", "lm-eval", path, "--json").stdout)
    assert found[0]["accuracy"]["mean"] == found[0]["recorded"]["acc"]["mean"] == 1.0
    assert "accuracy (ours)" in invoke("score", "--format", "lmms-eval", path).stdout
    broken = invoke("score", "--format", "tofu", path)
    assert broken.exit_code == 2
    assert broken.stderr.startswith("error: not a log of TOFU")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--format", "lm-eval", "--retain", "x"), "no forget quality"),
        (("--format", "tofu", "-o", "x"), "not those of a task"),
    ],
)
def test_options_that_do_not_go_together(options: tuple[str, ...], says: str) -> None:
    result = invoke("score", "file", *options)
    assert result.exit_code == 2
    assert says in result.stderr
