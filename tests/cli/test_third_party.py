"""What is not ours has its places: packages bring recipes, models, tasks; users include folders; tune writes."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from smllmun_bench import resources, tasks
from smllmun_bench.cli.main import app
from smllmun_bench.report.leaderboard import LeaderboardRow, RowKind, caveats, marked, to_csv
from smllmun_bench.stages import method_recipes, model_cards

PLUGIN = Path(__file__).parents[1] / "plugin"


def invoke(*arguments: object, **env: str):
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "160"} | env)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the user: a recipe, a model and a task."""
    made = tmp_path / "mine"
    (made / "baselines" / "ga").mkdir(parents=True)
    (made / "baselines" / "models").mkdir()
    (made / "tasks").mkdir()
    (made / "baselines" / "ga" / "pocket.yaml").write_text(
        "method: ga\nmodel: pocket\nsource: by me\nconfig: {training: {steps: 7}}\n"
    )
    (made / "baselines" / "ga" / "space.yaml").write_text("grid: {training.steps: [3, 4]}\n")
    brought = PLUGIN / "always_ascend"
    shutil.copy(brought / "baselines" / "models" / "pocket.yaml", made / "baselines" / "models")
    shutil.copy(brought / "tasks" / "pocket-people.yaml", made / "tasks")
    return made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The third-party package, built and installed."""
    base = tmp_path_factory.mktemp("third")
    source = shutil.copytree(PLUGIN, base / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    built = subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--target", str(base / "site"), str(source)],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return base / "site"


def test_an_installed_package_is_tuned_and_run_with_what_it_brings(
    site: Path, nano_store: Path, tmp_path: Path
) -> None:
    store, config = shutil.copytree(nano_store, tmp_path / "store"), tmp_path / "config"
    before = {path: path.stat().st_size for path in site.rglob("*") if path.suffix != ".pyc"}

    def bench(*arguments: object) -> str:
        path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, "-m", "smllmun_bench", *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": path, "XDG_CONFIG_HOME": str(config), "COLUMNS": "160"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "@short" in bench("methods")
    assert "pocket-people" in bench("tasks", "--json")
    assert "pocket" in bench("models", "--json")
    nano = ("--method", "always-ascend", "--model", "nano", "--task", "smllmun-nano", "--limit", 2, "--store", store)
    untuned = bench("run", *nano, "--output", tmp_path / "untuned")
    assert "‡ untuned: always-ascend" in untuned
    bench("tune", *nano, "--set", "training.steps=2", "--write")
    recipe = config / "smllmun-bench" / "baselines" / "always-ascend" / "nano.yaml"
    assert YAML(typ="safe").load(recipe)["selected_on"] == "validation"
    assert {path: path.stat().st_size for path in site.rglob("*") if path.suffix != ".pyc"} == before
    tuned = bench("run", *nano, "--output", tmp_path / "tuned")
    assert "untuned" not in tuned.replace(str(tmp_path), "")
    told = [json.loads(path.read_text()) for path in (tmp_path / "tuned").glob("always*/manifest.json")]
    assert [one["selected_on"] for one in told] == ["validation"]


def test_an_included_folder_is_looked_up_by_every_command(folder: Path) -> None:
    assert invoke("tasks", "--json").stdout.count("pocket-people") == 0
    assert "pocket-people" in invoke("tasks", "--json", "--include", folder).stdout
    assert '"pocket"' in invoke("models", "--json", "--include", folder).stdout
    result = invoke("validate", "--include", folder)
    assert result.exit_code == 0, result.output
    assert str(folder / "baselines" / "ga" / "pocket.yaml") in result.stdout
    assert resources.INCLUDE not in os.environ, "the command leaves no trace in its process"


def test_names_of_an_included_folder_are_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(resources.INCLUDE, str(folder))
    assert tasks.load("pocket-people").name == "pocket-people"
    assert model_cards.load("pocket").task == "pocket-people"
    chosen = method_recipes.choose("ga", "pocket")
    assert (chosen.config.training.steps, chosen.source, chosen.selected_on) == (7, "by me", "")


@pytest.mark.parametrize("made", [False, True])
def test_an_included_folder_without_anything_is_said(tmp_path: Path, made: bool) -> None:
    place = tmp_path / "empty"
    if made:
        place.mkdir()
    result = invoke("tasks", "--include", place)
    assert result.exit_code == 2
    assert ("neither baselines/ nor tasks/" if made else "no such folder") in result.stderr
    assert str(place) in result.stderr


def test_ours_is_not_changed_by_a_name_that_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "baselines" / "models" / "toy.yaml").write_text("name: toy\ndescription: another\npath: ./x\n")
    monkeypatch.setenv(resources.INCLUDE, str(folder))
    with pytest.warns(UserWarning, match="two models are named 'toy'"):
        assert model_cards.load("toy").path is None


def test_a_card_is_named_by_its_path_and_its_folders_lie_beside_it(tmp_path: Path) -> None:
    card = tmp_path / "own.yaml"
    card.write_text("name: own\ndescription: mine\npath: ./weights\n")
    assert model_cards.load(str(card)).path == str(tmp_path / "weights")
    assert model_cards.called(str(card)) == "own"


def test_where_a_tuned_recipe_goes(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named folder, included folder, repository (ours, in a checkout), configuration directory."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    users = tmp_path / "config" / "smllmun-bench" / "baselines"
    assert method_recipes.place_for("theirs", "toy") == users / "theirs" / "toy.yaml"
    assert method_recipes.place_for("ga", "toy") == resources.shipped("baselines") / "ga" / "toy.yaml"
    monkeypatch.setattr(resources, "in_checkout", lambda: False)
    assert method_recipes.place_for("ga", "toy") == users / "ga" / "toy.yaml"
    monkeypatch.setenv(resources.INCLUDE, str(folder))
    assert method_recipes.place_for("ga", "toy") == folder / "baselines" / "ga" / "toy.yaml"
    assert method_recipes.place_for("ga", "toy", tmp_path) == tmp_path / "baselines" / "ga" / "toy.yaml"


def test_a_method_without_a_recipe_for_the_model_is_marked_in_table_caveat_and_csv() -> None:
    assert method_recipes.choose("npo", "no-such-model").selected_on == "untuned"  # default.yaml is another model's
    assert method_recipes.choose("mmunlearner", "no-such-model").selected_on == "untuned"
    assert method_recipes.choose("npo", "toy").selected_on == "validation"
    assert method_recipes.choose("npo", "no-such-model", ("beta=0.2",)).selected_on == "by hand"
    row = LeaderboardRow(
        method="mine", model="m", task="t", forget_ratio=0.1, seeds=1, version="1", kind=RowKind.WEIGHTS,
        selected_on="untuned",
    )  # fmt: skip
    assert marked(row) == "mine ‡"
    assert any(line.startswith("‡ untuned: mine") for line in caveats([row]))
    assert next(csv.DictReader(to_csv([row]).splitlines()))["selected_on"] == "untuned"


def test_a_method_without_a_space_is_told_where_one_goes() -> None:
    result = invoke("tune", "--method", "prompt-only", "--model", "nano", "--task", "smllmun-nano")
    assert result.exit_code == 2
    assert "baselines/prompt-only/space.yaml" in result.stderr
