"""Matched forgetting: decided on validation people, passed on as a number of steps."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smllmun_bench import methods, stages
from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.models.change import Artifact
from smllmun_bench.schema import Fold, Role
from smllmun_bench.stages import stopping
from smllmun_bench.stages.context import StopAt
from smllmun_bench.stages.stopping import Watcher
from smllmun_bench.training.loop import Checking, Silent


def test_the_first_score_that_is_not_above_gold_s_is_enough() -> None:
    scores = iter([0.9, 0.5, 0.3])
    watcher = Watcher(Silent(), lambda: next(scores), level=0.5)
    assert [watcher.on_check(step) for step in (5, 10)] == [False, True]
    assert (watcher.reached, watcher.curve) == (10, [(5, 0.9), (10, 0.5)])


def test_both_can_be_asked_by_the_loop_and_pass_steps_on() -> None:
    heard: list[int] = []

    class Bar:
        def step(self, done: int, total: int, figures: Any) -> None:
            heard.append(done)

    for progress in (StopAt(Bar(), 10), Watcher(Bar(), lambda: 1.0, 0.5)):
        assert isinstance(progress, Checking)
        progress.step(7, 9, {})
    assert heard == [7, 7]
    assert not isinstance(Silent(), Checking)


def test_it_stops_at_the_step_and_not_before() -> None:
    assert [StopAt(Silent(), 10).on_check(step) for step in (5, 10, 15)] == [False, True, True]


@pytest.mark.slow
def test_a_run_learns_a_number_of_steps_from_validation_people_and_nothing_else(
    nano_store: Path, tmp_path: Path, make_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(nano_store, tmp_path / "store")
    context = make_context(tmp_path / "store")
    start = stages.target(context)
    method = methods.get("idk")
    settings = ("training.steps=40", "training.batch_size=16", "training.lr=3e-3")
    rule = ("training.stop.rule=matched", "training.stop.every=10")
    asked: list[Any] = []

    def watched(vlm: Any, items: Any, *args: Any, **kwargs: Any) -> Any:
        asked.extend(items)
        return original(vlm, items, *args, **kwargs)

    original = stopping.predict
    monkeypatch.setattr(stopping, "predict", watched)
    config = apply_overrides(method.config(), settings + rule)
    entry = stages.unlearn(context, start, method, config, 0)

    reported = {item.entity_id for item in context.data.evaluation(Fold.TEST) if item.role is Role.FORGET}
    assert asked
    assert not reported & {item.entity_id for item in asked}
    artifact = Artifact.load(entry.path)
    found = stopping.matched(context, start, method, config, 0)
    assert found.reached
    assert found.step < 40
    assert artifact.figures["stopped_at"] == found.step
    assert artifact.figures["matched_forgetting"] == 1
    assert artifact.cost.backwards == found.step * 32

    plain = apply_overrides(method.config(), (*settings, f"training.steps={found.step}"))
    assert Artifact.load(stages.unlearn(context, start, method, plain, 0).path).digest() == artifact.digest()

    count = len(asked)
    again = stages.unlearn(replace(context), start, method, config, 0)
    assert (again.key, len(asked)) == (entry.key, count)  # found once and kept

    with pytest.raises(UserError, match="asked nobody"):
        stages.unlearn(context, start, method, apply_overrides(config, ("training.stop.every=50",)), 0)
    stop = json.loads((next((tmp_path / "store").rglob(stopping.FILE))).read_text())
    assert stop["curve"][-1] == [found.step, pytest.approx(min(score for _, score in stop["curve"]))]
