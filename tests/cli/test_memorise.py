"""Target and gold as a command, on nano: its cost is told, it stops when the gate is open, `run` finds both."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smllmun_bench import resources
from smllmun_bench.cli.main import app
from smllmun_bench.stages import memorising, model_cards


def invoke(*arguments: object):
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def store(nano_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(nano_store, tmp_path_factory.mktemp("memorise") / "store"))


def test_it_stops_when_the_gate_is_open_and_run_finds_what_was_made(store: Path, tmp_path: Path) -> None:
    card = tmp_path / "own.yaml"
    nano = (resources.shipped("baselines") / "models" / "nano.yaml").read_text()
    card.write_text(nano.replace("name: nano", "name: own").replace("steps: 250", "steps: 200"))
    written = tmp_path / "made.yaml"
    options = ("--task", "smllmun-nano", "--limit", 8, "--store", store)
    result = invoke(
        "memorise", "--card", card, *options, "--until-gate", "--every", 60, "--set", "until.at_least=0.1",
        "--write-card", written,
    )  # fmt: skip
    assert result.exit_code in (0, 1), result.output
    words = " ".join(result.stdout.split())
    assert "memorise target: is trained first, at most 200 steps" in words
    assert "s a step: at most" in words
    stops = [json.loads(path.read_text()) for path in store.rglob("stop.json")]
    assert [(stop["step"] % 60, stop["reached"]) for stop in stops] == [(0, True)], stops
    reached = stops[0]["step"]
    assert reached < 200
    assert f"memorise gold: is trained first, {reached} steps" in words, "gold is trained for as long as the target"
    assert f"stopped after {reached} steps: the gate was open" in words

    again = invoke("run", "--method", "prompt-only", "--model", written, *options, "--output", tmp_path / "runs")
    assert again.exit_code == 0, again.output
    assert "is trained first" not in again.stdout
    assert model_cards.load(str(written)).memorise.training.lora is None, "a card keeps what is null"


def test_run_says_what_it_memorises_first(store: Path, tmp_path: Path) -> None:
    card = tmp_path / "short.yaml"
    nano = (resources.shipped("baselines") / "models" / "nano.yaml").read_text()
    card.write_text(nano.replace("name: nano", "name: short").replace("steps: 250", "steps: 7"))
    result = invoke(
        "run", "--method", "prompt-only", "--model", card, "--task", "smllmun-nano", "--limit", 2,
        "--store", store, "--output", tmp_path / "runs",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    words = " ".join(result.stdout.split())
    assert "memorise target: is trained first, 7 steps" in words
    assert "memorise gold: is trained first, 7 steps" in words


def test_a_setting_that_the_recipe_does_not_have_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    result = invoke("memorise", "--model", "nano", "--set", "training.step=3", "--store", tmp_path / "store")
    assert result.exit_code == 2
    assert "training.steps" in result.stderr
    assert not list((tmp_path / "store").rglob("manifest.json"))


def test_the_cost_is_that_of_all_steps_at_the_rate_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five steps of 3 s after the first: 2,000 steps take 100 min."""
    clock = iter([10.0, 25.0])
    monkeypatch.setattr(memorising.time, "monotonic", lambda: next(clock))
    told: list[str] = []

    class Nothing:
        def step(self, done: int, total: int, figures: object) -> None: ...

    costed = memorising.Costed(Nothing(), 2000, told.append)
    for done in range(1, 20):
        costed.step(done, 2000, {})
    assert told == ["3 s a step: at most 100 min for 2000 steps"]


def test_people_to_be_forgotten_are_not_asked_whether_it_is_enough(make_context, nano_store: Path) -> None:
    context = make_context(nano_store)
    from smllmun_bench.data.source import Split

    forgotten = {item.entity_id for item in context.data.training(Split.FORGET_TRAIN)}
    asked = memorising.asked(context)
    assert forgotten
    assert not forgotten & {item.entity_id for item in asked.items}
