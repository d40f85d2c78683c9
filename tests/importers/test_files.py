"""JSON that no tool writes: one message that names file, row and key, whatever is wrong with it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.errors import UserError
from smllmun_bench.importers.files import Place, as_number, read_lines, read_object

DEEP = '{"a": ' * 50_000 + "1" + "}" * 50_000
LONG = '{"eval_log_forget.json": {"avg_gt_loss": {"0": ' + "9" * 5000 + "}}}"
HALF = '{"a": {"b": ["x", "\\ud83d"]}}'
HALF_KEY = '{"a": {"\\uD83D": 1}}'


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        (DEEP, "nested too deeply", ""),
        (LONG, "a number of more than 4,300 digits", ""),
        (HALF, "half of a surrogate pair", "key 'a.b.1'"),
        (HALF_KEY, "half of a surrogate pair", "key 'a'"),
        ("{", "not JSON", ""),
        ("[1]", "expected an object, found a list", ""),
    ],
)
def test_one_message(tmp_path: Path, text: str, what: str, where: str) -> None:
    path = tmp_path / "log.json"
    path.write_text(text)
    read: Callable[[], object]
    for read, row in ((lambda: read_object(path), ""), (lambda: list(read_lines(path)), ", row 1")):
        with pytest.raises(UserError) as caught:
            read()
        assert what in str(caught.value)
        assert f"{path}{row}" in str(caught.value)
        assert where in str(caught.value)


def test_whole_characters_written_as_pairs_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text('{"a": "\\ud83d\\ude00"}')
    assert read_object(path) == {"a": "\N{GRINNING FACE}"}


def test_a_whole_number_that_no_float_holds() -> None:
    for value in (10**399, 10**101, -1e300):
        with pytest.raises(UserError, match="more than a hundred digits"):
            as_number(value, Place(Path("log.json"), "loss"))


@pytest.mark.parametrize("form", ["tofu", "open-unlearning", "lm-eval", "lmms-eval"])
@pytest.mark.parametrize("text", [DEEP, LONG, HALF, HALF_KEY, '{"avg_gt_loss": {"0": 1' + "0" * 399 + "}}"])
def test_no_traceback_from_the_command_line(tmp_path: Path, form: str, text: str) -> None:
    path = tmp_path / "eval_log_forget.json"
    path.write_text(text)
    done = CliRunner().invoke(app, ["score", "--format", form, str(path)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert str(path) in done.stderr


def test_a_loss_of_four_hundred_digits_is_placed(tmp_path: Path) -> None:
    path = tmp_path / "eval_log_forget.json"
    part = {"avg_gt_loss": {"0": 10**399}, "rougeL_recall": {"0": 0.5}}
    path.write_text(json.dumps(part))
    done = CliRunner().invoke(app, ["score", "--format", "tofu", str(path)])
    assert done.exit_code == 2
    assert f"{path}, row 0, key 'avg_gt_loss'" in done.stderr
    summary = tmp_path / "TOFU_SUMMARY.json"
    summary.write_text(json.dumps({"model_utility": 10**399}))
    done = CliRunner().invoke(app, ["score", "--format", "open-unlearning", str(summary)])
    assert done.exit_code == 2
    assert "key 'model_utility'" in done.stderr
