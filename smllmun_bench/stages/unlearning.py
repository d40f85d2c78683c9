"""Unlearning: one method, one configuration, one seed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from smllmun_bench.methods.base import Method, MethodConfig
from smllmun_bench.stages.context import VERSIONS, Bar, RunContext, StopAt, named
from smllmun_bench.stages.loader import ModelRef
from smllmun_bench.stages.stopping import matched
from smllmun_bench.stages.unlearning_inputs import unlearn_inputs, unlearning_data
from smllmun_bench.store.store import Request, StoredStage

HISTORY = "history.jsonl"


class Recorded:
    """A `Progress` that tells another one and keeps every step: each part of the loss, as training saw it.

    A method may train several times; `training` counts that, from 1.
    """

    def __init__(self, progress: Bar) -> None:
        self._progress = progress
        self._last, self._training = 0, 1
        self.lines: list[str] = []

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        self._training += done <= self._last
        self._last = done
        self.lines.append(json.dumps({"training": self._training, "step": done, **figures}) + "\n")
        self._progress.step(done, total, figures)


def unlearn(context: RunContext, start: ModelRef, method: Method[Any], config: MethodConfig, seed: int) -> StoredStage:
    """One method, one configuration, one seed: an artifact."""
    inputs = unlearn_inputs(context, start, method, config, seed)
    stop = matched(context, start, method, config, seed) if config.training.stop.rule == "matched" else None
    if stop is not None:
        inputs |= {"stop_at": stop.step}

    def make(folder: Path) -> None:
        from smllmun_bench.models.memory import explained

        steps = config.training.steps
        what = f"unlearning with {method.name}, seed {seed}"
        with context.watch(what, steps) as advance, explained(what):
            vlm = context.loader.get(start)
            data = unlearning_data(context, start, seed, config.needed(method.needs), stop.step if stop else None)
            heard = Recorded(Bar(advance))
            progress = heard if stop is None else StopAt(heard, stop.step)
            with vlm.rounded(config.training.autocast), vlm.labelled(config.training.labels):  # references as well
                artifact = method.fit(vlm, data, config, progress)
        artifact.check_finite()
        if stop is not None:
            told = {"stopped_at": float(stop.step), "matched_forgetting": float(stop.reached)}
            artifact = replace(artifact, figures={**artifact.figures, **told})
        artifact.for_base(start.digest).save(folder)
        if heard.lines:  # a method that trains nothing has none
            (folder / HISTORY).write_text("".join(heard.lines), encoding="utf-8")

    request = Request("unlearn", VERSIONS["unlearn"], inputs)
    return context.store.get_or_make(request, make, on_event=named(context, f"{method.name}, seed {seed}"))
