"""`smllmun-bench models check`: what works on a model of one's own, and exit code 1 when a run could not be trusted."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.experiments.model_check import check_model


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["models", "check", *arguments])


def test_a_good_model_passes_every_check(tiny_folder: Path) -> None:
    result = run(str(tiny_folder), "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["works"]) == (0, True)
    assert {check["state"] for check in told["checks"]} == {"works"}
    names = [check["name"] for check in told["checks"]]
    assert names[0] == "loads"
    assert {f"one step of {name}, LoRA" for name in ("ga", "npo", "smfa")} < set(names)
    assert names[-1] == "saved and loaded again"


def test_a_table_for_people(tiny_folder: Path) -> None:
    result = run(str(tiny_folder), "--quick")
    assert result.exit_code == 0
    assert "options of a choice" in result.stdout
    assert "skipped (optional)" in result.stdout


def test_a_model_that_cannot_be_loaded_ends_there(tiny_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "m"))
    (folder / "chat_template.jinja").unlink()
    result = run(str(folder), "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["works"]) == (1, False)
    (only,) = told["checks"]
    assert only["state"] == "fails"
    assert "no chat template" in only["detail"]


def test_a_template_that_changes_answers_fails(tiny_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "m"))
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("{{ part['text'] }}", "{{ part['text'] | upper }}"))
    found = {check.name: check for check in check_model(str(folder), quick=True)}
    assert found["prompts and answer spans"].state == "fails"
    assert "'A NURSE'" in found["prompts and answer spans"].detail
    assert found["answers in batches"].state == "works"


def test_batches_that_give_other_numbers_fail(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from smllmun_bench.models.vlm import Vlm

    usual = Vlm.answer_logprobs
    monkeypatch.setattr(
        Vlm, "answer_logprobs", lambda self, pairs: [tuple(x + len(pairs) for x in row) for row in usual(self, pairs)]
    )
    found = {check.name: check for check in check_model(str(tiny_folder), quick=True)}
    assert found["log-probabilities in batches"].state == "fails"
    assert "nats a token" in found["log-probabilities in batches"].detail


@pytest.mark.parametrize(
    ("name", "words"), [("toy", "built by a recipe"), ("./nowhere", "no folder"), ("tyo", "'toy'")]
)
def test_what_is_no_folder_is_bad_input(name: str, words: str) -> None:
    result = run(name)
    assert result.exit_code == 2
    assert words in result.stderr
