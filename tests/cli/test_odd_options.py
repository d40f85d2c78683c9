"""Options that no run can have are refused by name, before anything is loaded."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        *[("--limit", value, "cannot limit to") for value in ("nan", "inf", "-inf", "0", "-1", "1.5", ".999999")],
        *[("--seeds", value, "too large for a seed") for value in ("9" * 30, "100000000000", "0," + "9" * 6000)],
        ("--seeds", "100000000", "seeds are too many"),
        *[("--device", value, f"no device {value!r}") for value in ("meta", "hpu", "cpu:7", "cuda:-1", "", "CPU")],
        *[("--device-map", value, "cannot be spread by") for value in ("nosuch", "", "meta")],
        ("--device-map", "cpu:7", "no device 'cpu:7'"),
        ("--task", "", "unknown task ''"),
        ("--method", "smfa@", "'smfa@' names no variant"),
    ],
)
def test_an_odd_value_is_refused_by_name(tmp_path: Path, option: str, value: str, what: str) -> None:
    usual = {"--method": "ga", "--store": str(tmp_path / "store"), "--output": str(tmp_path / "runs"), option: value}
    result = CliRunner().invoke(app, ["run", *(word for pair in usual.items() for word in pair)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert what in result.stderr
    assert len(result.stderr) < 2000
    assert not list((tmp_path / "runs").rglob("manifest.json"))


@pytest.mark.parametrize("device", ["meta", "hpu", "cpu:7"])
def test_a_check_and_a_judge_refuse_the_same_devices(tiny, device: str) -> None:
    from smllmun_bench.errors import UserError
    from smllmun_bench.judge.local import LocalModel

    result = CliRunner().invoke(app, ["models", "check", str(tiny.folder), "--device", device])
    assert (result.exit_code, f"no device {device!r}" in result.stderr) == (2, True)
    with pytest.raises(UserError, match="no device"):
        LocalModel(tiny.folder, device=device)


def test_a_golden_is_a_file(tmp_path: Path) -> None:
    from smllmun_bench.errors import UserError
    from smllmun_bench.experiments import regress

    with pytest.raises(UserError, match="cannot be read") as error:
        regress.read(tmp_path)
    assert error.value.where == str(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("version: 1", f"version: {'9' * 6000}", "Exceeds the limit"),
        ("prompt: question_only", "prompt: text", "'text' is not one of 'question_only'"),
    ],
)
def test_a_task_file_with_an_odd_value(tmp_path: Path, request, old: str, new: str, what: str) -> None:
    from smllmun_bench import tasks
    from smllmun_bench.errors import UserError

    text = (request.config.rootpath / "tasks" / "easy-vqa.yaml").read_text()
    assert old in text
    (tmp_path / "odd.yaml").write_text(text.replace(old, new))
    with pytest.raises(UserError, match=what) as error:
        tasks.load(tmp_path / "odd.yaml")
    assert f"odd.yaml:{1 + text[: text.index(old)].count(chr(10))}" in error.value.where


def test_a_task_file_that_is_a_link_to_itself(tmp_path: Path) -> None:
    from smllmun_bench import tasks
    from smllmun_bench.errors import UserError

    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    with pytest.raises(UserError, match=r"cannot be read|no such file"):
        tasks.load(tmp_path / "loop.yaml")


def test_manifests_say_how_many_threads_computed() -> None:
    import torch

    from smllmun_bench.store.environment import environment

    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            assert environment().threads == str(threads)
    finally:
        torch.set_num_threads(before)
