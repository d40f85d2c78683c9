"""The commands as a person meets them: what is printed where, and the exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smllmun_bench import methods
from smllmun_bench.cli.main import app, dashed

COMMANDS = ("run", "score", "show", "leaderboard", "agree", "regress", "tune", "methods", "tasks", "models", "validate")
GOLDEN = Path(__file__).parents[2] / "results" / "goldens" / "toy.json"
HEAVY = ("torch", "transformers", "datasets", "pandas", "evaluate", "peft", "scipy.stats")


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("arguments", "what", "fix"),
    [
        (("run", "--method", "smaf"), "unknown method 'smaf'", "'smfa'"),
        (("run", "--method", "smfa", "--task", "smllmun-tyo"), "unknown task 'smllmun-tyo'", "'smllmun-toy'"),
        (("run", "--method", "smfa", "--model", "tyo"), "unknown model 'tyo'", "'toy'"),
        (("run", "--method", "smfa@randm"), "unknown variant of smfa 'randm'", "'random'"),
        (
            ("run", "--method", "smfa", "--forget-ratio", "11"),
            "task 'smllmun-toy' cannot forget 11 %",
            "one of 5, 10, 15",
        ),
        (("run", "--method", "smfa", "--seeds", "x"), "'x' is no number of seeds", "3, or 0,1,2"),
        (("run", "--method", "smfa", "--device", "cuda"), "this machine has no cuda device", "cpu"),
        (("run", "--method", ","), "no method is named", "smfa"),
        (("show", "nothing", "--results", "tests"), "unknown run 'nothing'", ""),
        (("regress", "--golden", "nothing.json"), "there is no such golden", "--update"),
        (("regress", "--golden", GOLDEN, "--device", "cuda"), "this machine has no cuda device", "cpu"),
    ],
)
def test_bad_input_is_one_readable_error(arguments: tuple[str, ...], what: str, fix: str) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {what}")
    assert fix in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("setting", ["trainin.lr=1", "training.rl=1", "k=many", "k"])
def test_a_wrong_setting_names_the_key(setting: str) -> None:
    result = invoke("run", "--method", "smfa", "--set", setting)
    assert result.exit_code == 2
    assert "--set" in result.stderr
    assert setting.partition("=")[0] in result.stderr


def test_methods_as_json_have_the_promised_keys() -> None:
    listed = json.loads(invoke("methods", "--json").stdout)
    assert [entry["name"] for entry in listed] == methods.names()
    assert all({"name", "aliases", "description", "fidelity"} <= set(entry) for entry in listed)
    assert next(entry for entry in listed if entry["name"] == "idk")["aliases"] == ["po"]


@pytest.mark.parametrize("command", ["tasks", "models"])
def test_other_lists_as_json(command: str) -> None:
    listed = json.loads(invoke(command, "--json").stdout)
    assert {frozenset(entry) for entry in listed} == {frozenset({"name", "aliases", "description"})}
    assert all(entry["description"] for entry in listed)


def test_all_shipped_yaml_files_are_valid() -> None:
    result = invoke("validate")
    assert result.exit_code == 0, result.stderr
    assert "0 are not" in result.stdout


def test_validate_names_the_file_and_the_key(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("name: broken\nversoin: 1\n")
    result = invoke("validate", path)
    assert result.exit_code == 2
    assert "versoin" in result.stderr
    assert "'version'" in result.stderr
    assert f"{path}:2" in result.stderr


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("", "neither a path nor a recipe"),
        ("path: a/b\npretrain: {size: nano}\n", "one origin, not 'path' and 'pretrain'"),
        ("align: {language: smollm2-135m}\n", "'smollm2-135m-instruct'"),
        ("path: a/b\ntask: smllmun-tiny\n", "unknown task 'smllmun-tiny'"),
    ],
)
def test_a_model_card_has_one_origin_that_is_there(tmp_path: Path, origin: str, said: str) -> None:
    path = tmp_path / "models" / "mine.yaml"
    path.parent.mkdir()
    path.write_text(f"name: mine\ndescription: mine\n{origin}")
    result = invoke("validate", path)
    assert result.exit_code == 2
    assert said in result.stderr


def test_underscores_in_option_names_are_dashes() -> None:
    assert dashed(["run", "--forget_ratio=5", "--set", "a_b=1", "--", "--x_y"]) == [
        "run", "--forget-ratio=5", "--set", "a_b=1", "--", "--x_y",
    ]  # fmt: skip


def test_help_of_every_command_needs_no_heavy_package() -> None:
    code = (
        "import sys, contextlib, io\n"
        "from smllmun_bench.cli.main import app\n"
        f"for command in {[*COMMANDS, 'data build', 'toy build']!r}:\n"
        "    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "        app([*command.split(), '--help'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_check_for_heavy_packages_can_fail() -> None:
    code = f"import scipy.stats, sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "scipy.stats" in done.stdout
