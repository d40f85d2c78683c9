"""Packages of others that are broken cost their own names alone, and are named once."""

import json
import sys
from pathlib import Path

import pytest
from run_folders import made
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.data.registry import check_arguments
from smllmun_bench.errors import UserError
from smllmun_bench.models.change import mechanism

GROUPS = ("methods", "attacks", "tasks", "adapters", "mechanisms")
KINDS = {
    "raises": "raise ZeroDivisionError('no')",
    "exits": "import sys; sys.exit(3)",
    "wrong": "THING = 3",
    "lacks": "",
    "half": "class THING: name = aliases = description = family = fidelity = config = needs = fit = 'broken-guest'",
    "trap": "class T:\n    @property\n    def name(self): raise RuntimeError('no')\nTHING = T()",
    "missing": None,
}


@pytest.fixture(params=KINDS)
def broken(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A distribution `guest-of-others` with one broken entry point in each group."""
    text = KINDS[request.param]
    if text is not None:
        (tmp_path / "broken_guest.py").write_text(text + "\n")
    about = tmp_path / "guest_of_others-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: guest-of-others\nVersion: 1\n")
    points = "".join(f"[smllmun_bench.{group}]\nbroken-guest = broken_guest:THING\n" for group in GROUPS)
    (about / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_guest", raising=False)
    return str(request.param)


def test_every_other_command_and_name_works(broken: str, tmp_path: Path) -> None:
    for run_id in ("target", "gold", "smfa"):
        made(tmp_path / "runs", run_id)
    for arguments, named in (
        (("methods",), True),
        (("methods", "--json"), True),
        (("tasks", "--json"), True),
        (("validate", "tasks/smllmun-toy.yaml"), False),
        (("leaderboard", tmp_path / "runs"), False),
        (("models",), False),
    ):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == 0, result.output
        if named:
            assert result.stderr.count("warning: ") == 1, result.stderr
            assert "broken-guest" in result.stderr
        if "--json" in arguments:
            names = [line["name"] for line in json.loads(result.stdout)]
            assert {"smfa", "smllmun-toy"} & set(names)
            assert "broken-guest" not in names


def test_whoever_asks_for_the_broken_one_is_told(broken: str) -> None:
    result = CliRunner().invoke(app, ["run", "--method", "broken-guest"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "broken-guest" in result.stderr
    with pytest.raises(UserError, match="broken-guest"):
        check_arguments("broken-guest", {"x": 1})
    if broken not in ("half", "trap"):
        with pytest.raises(UserError, match="guest-of-others"):
            mechanism("broken-guest")


def test_no_package_takes_an_adapter_of_ours(broken: str) -> None:
    assert check_arguments("easy_vqa", {}) is not None
