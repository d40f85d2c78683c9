"""Fitting a method on the tiny model for a few steps, and hearing what its terms were."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from smllmun_bench import methods
from smllmun_bench.config import Frozen, apply_overrides
from smllmun_bench.models.change import Artifact

QUICK = ("training.steps=4", "training.batch_size=4", "training.lr=0.01")


@dataclass
class Heard:
    """A progress that keeps what it hears."""

    steps: list[dict[str, float]] = field(default_factory=list)

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        self.steps.append(dict(figures))


@dataclass
class Shelf:
    """A `reuse` hook that keeps artifacts by what they depend on."""

    kept: dict[str, Artifact] = field(default_factory=dict)

    def __call__(self, name: str, inputs: Frozen, make: Callable[[], Artifact]) -> Artifact:
        key = f"{name} {inputs.model_dump_json()}"
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]


@dataclass(frozen=True)
class Fitted:
    artifact: Artifact
    steps: list[dict[str, float]]

    @property
    def first(self) -> dict[str, float]:
        return self.steps[0]


Fitting = Callable[..., Fitted]


@pytest.fixture
def fit(tiny: Any) -> Fitting:
    """`fit(name, *settings, data=...)` on the tiny model, four steps unless the settings say otherwise."""

    def run(name: str, *settings: str, data: Any = None) -> Fitted:
        method, heard = methods.get(name), Heard()
        config = apply_overrides(method.config(), (*QUICK, *settings))
        return Fitted(method.fit(tiny.vlm, data or tiny.data, config, heard), heard.steps)

    return run


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def known(tiny: Any) -> Callable[..., float]:
    """`known(artifact, items)`: mean log-probability per answer of the model with the artifact, or without (None)."""
    from contextlib import nullcontext

    from smllmun_bench.models.vlm import Query

    def mean(artifact: Artifact | None, items: Any) -> float:
        pairs = [(Query(item.question, item.images), item.answer) for item in items]
        with artifact.mounted(tiny.vlm) if artifact is not None else nullcontext():
            return sum(map(sum, tiny.vlm.answer_logprobs(pairs))) / len(pairs)

    return mean
