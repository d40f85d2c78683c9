"""A method that needs what task or model lack ends in one message, before anything is loaded."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from smllmun_bench import methods
from smllmun_bench.cli.main import app
from smllmun_bench.config import apply_overrides
from smllmun_bench.data.combined import TaskData
from smllmun_bench.data.source import Split
from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import Needs, UnlearningData, check_needs, missing
from smllmun_bench.stages.loader import Loader

CARDS = Path(__file__).parents[2] / "docs" / "methods"
WITHOUT: dict[str, Any] = {
    "forget rows": lambda data: replace(data, forget=()),
    "retain rows": lambda data: replace(data, retain=()),
    "general rows": lambda data: replace(data, general=()),
    "refusals": lambda data: replace(data, refusals=()),
    "forget rows with pictures": lambda data: replace(data, forget=[i for i in data.forget if not i.images]),
    "retain rows with pictures": lambda data: replace(data, retain=[i for i in data.retain if not i.images]),
}


@pytest.fixture
def everything(tiny: Any) -> UnlearningData:
    return replace(tiny.named, general=tiny.data.retain)


@pytest.mark.parametrize(
    ("needs", "lacks"),
    [
        (Needs(), []),
        (Needs(forget=True, retain=True), ["forget rows", "retain rows"]),
        (Needs(general=True, refusals=True), ["general rows", "refusals"]),
        (Needs(images="forget"), []),  # rows that are not there at all are told as that
        (Needs(gradients=True, hooks=True), ["weights that can be trained (these are quantised)"]),
    ],
)
def test_what_nobody_gives_is_missing(needs: Needs, lacks: list[str]) -> None:
    assert missing(needs, UnlearningData((), (), ()), trainable=False) == lacks


@pytest.mark.parametrize(
    ("images", "lacks"),
    [
        (False, []),
        ("forget", ["forget rows with pictures"]),
        ("retain", ["retain rows with pictures"]),
        (True, ["forget rows with pictures", "retain rows with pictures"]),
    ],
)
def test_pictures_are_looked_for_where_they_are_needed(images: Any, lacks: list[str], everything: Any) -> None:
    told = WITHOUT["retain rows with pictures"](WITHOUT["forget rows with pictures"](everything))
    assert missing(Needs(forget=True, retain=True, images=images), told) == lacks
    assert missing(Needs(forget=True, retain=True, images=images), everything) == []
    assert missing(Needs(forget=True, images=True), WITHOUT["retain rows with pictures"](everything)) == []


# These take other people's answers to questions of the same form, and find out in `fit` which forms are asked.
OF_THE_SAME_FORM = ("llmu", "megu", "siu")


@pytest.mark.parametrize("name", methods.names())
@pytest.mark.parametrize("lack", WITHOUT)
def test_a_method_does_without_what_it_does_not_say_it_needs_and_not_without_the_rest(
    name: str, lack: str, tiny: Any
) -> None:
    method, data = methods.get(name), WITHOUT[lack](tiny.named)
    config = apply_overrides(method.config(), ["training.steps=1", "training.batch_size=2"])
    refused = missing(config.needed(method.needs), data)
    if refused or (lack == "retain rows with pictures" and name in OF_THE_SAME_FORM):
        assert refused in ([lack], [])
        with pytest.raises((UserError, ValueError, IndexError, ZeroDivisionError, RuntimeError)):
            method.fit(tiny.vlm, data, config, _Silent())
    else:
        assert method.fit(tiny.vlm, data, config, _Silent()).kind


class _Silent:
    def step(self, done: int, total: int, figures: Any) -> None:
        return None


@pytest.mark.parametrize(
    ("name", "settings", "images", "retain"),
    [
        ("permu", [], False, True),
        ("permu", ["span=image"], "forget", True),
        ("siu", [], "forget", True),
        ("siu", ["policy=full_entity"], False, True),
        ("mllmeraser", [], False, True),
        ("mllmeraser", ["pgd={}"], "retain", True),
        ("mmunlearner", ["mask=both"], True, True),
        ("undial", [], False, False),
        ("undial", ["retain_weight=1"], False, True),
    ],
)
def test_settings_change_what_is_needed(name: str, settings: list[str], images: Any, retain: bool) -> None:
    method = methods.get(name)
    needs = apply_overrides(method.config(), settings).needed(method.needs)
    assert (needs.images, needs.retain) == (images, retain)


@pytest.mark.parametrize("name", [path.stem for path in sorted(CARDS.glob("*.md")) if path.stem != "README"])
def test_the_card_says_what_is_needed(name: str) -> None:
    text = " ".join((CARDS / f"{name}.md").read_text(encoding="utf-8").split())
    (told,) = re.findall(r"Needs:\**\s([^.]*)\.", text)
    words = [re.sub(r"\s*\(.*?\)", "", part) for part in re.split(r", (?![^(]*\))", told) if "(only" not in part]
    assert ", ".join(words) == methods.get(name).needs.words()


def test_every_method_that_lacks_something_is_named_in_one_message(everything: Any) -> None:
    poor = WITHOUT["retain rows"](everything)
    chosen = [(methods.get(name), methods.get(name).config()) for name in ("ga", "kl", "sauce", "kl")]
    with pytest.raises(UserError) as caught:
        check_needs(chosen, lambda needs: poor, trainable=False, where="task 't'")
    assert str(caught.value).splitlines() == [
        "ga needs weights that can be trained (these are quantised); kl needs retain rows, weights that can be trained "
        "(these are quantised); sauce needs retain rows: there are none",
        "  at   task 't'",
        "  try  other methods: `smllmun-bench methods` says what each needs",
    ]


# -- the commands ------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(Loader, "get", load)
    monkeypatch.setattr("smllmun_bench.models.loading.load", load)


def _training_without(monkeypatch: pytest.MonkeyPatch, split: Split, *, pictures_alone: bool) -> None:
    whole = TaskData.training

    def training(self: TaskData, asked: Split, *arguments: Any) -> Any:
        rows = whole(self, asked, *arguments)
        return [row for row in rows if asked is not split or (pictures_alone and not row.images)]

    monkeypatch.setattr(TaskData, "training", training)


NANO = ("--model", "nano", "--task", "smllmun-nano")


@pytest.mark.parametrize("command", [("run", "--jobs", "2", "--seeds", "2"), ("run",), ("tune", "--budget", "1")])
@pytest.mark.parametrize(
    ("method", "split", "pictures_alone", "lacks"),
    [
        ("grad-diff", Split.RETAIN_TRAIN, False, "grad-diff needs retain rows"),
        ("sauce", Split.RETAIN_TRAIN, True, "sauce needs retain rows with pictures"),
        ("mmunlearner", Split.FORGET_TRAIN, True, "mmunlearner needs forget rows with pictures"),
        ("manu", Split.FORGET_TRAIN, False, "manu needs forget rows"),
    ],
)
def test_the_commands_refuse_before_a_model_is_loaded(
    command: tuple[str, ...],
    method: str,
    split: Split,
    pictures_alone: bool,
    lacks: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_model: None,
) -> None:
    _training_without(monkeypatch, split, pictures_alone=pictures_alone)
    store = tmp_path / "store"
    output = ("--output", str(tmp_path / "runs")) if command[0] == "run" else ()
    result = CliRunner().invoke(app, [*command, "--method", method, *NANO, "--store", str(store), *output])
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith(f"error: {lacks}: there are none\n  at   task 'smllmun-nano', model 'nano'\n")
    assert not list(tmp_path.rglob("manifest.json"))


def test_a_quantised_model_is_refused_by_run_and_check(tiny_folder: Path, tmp_path: Path, no_model: None) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "four-bits"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}})
    )
    run = ("run", "--method", "npo", "--model", str(folder), "--task", "smllmun-nano", "--store", str(tmp_path / "s"))
    for command in ((*run, "--output", str(tmp_path / "runs")), ("models", "check", str(folder))):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2, result.output
        assert "npo needs weights that can be trained (these are quantised)" in result.stderr
