"""Unlearning depth on a model of two layers, with values that follow from its own log-probabilities."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import torch

from smllmun_bench.attacks.base import AttackData, NotApplicable
from smllmun_bench.attacks.depth import ATTACK, DepthConfig
from smllmun_bench.attacks.shared.states import answer_means, pairs_of
from smllmun_bench.models.change import Artifact
from smllmun_bench.models.prompt_filter import filtering

LAST = "model.language_model.layers.1.mlp.down_proj.weight"
FIRST = "model.language_model.layers.0.mlp.down_proj.weight"


def change(tiny: Any, *names: str, size: float = 0.5) -> Artifact:
    draw = torch.Generator().manual_seed(0)
    shapes = {name: tiny.vlm.model.get_parameter(name).shape for name in names}
    return Artifact("delta", {name: size * torch.randn(shape, generator=draw) for name, shape in shapes.items()})


def figures(tiny: Any, ours: Artifact, gold: Artifact, threshold: float = 0.0) -> dict[str, float]:
    data = AttackData(tiny.data.forget, (), (), (), (), tiny.vlm.source)
    models = {"gold": gold, "target": Artifact("none")}

    @contextmanager
    def opened(name: str) -> Iterator[Any]:
        with models[name].mounted(tiny.vlm) as vlm:
            yield vlm

    opening: Callable[[str], AbstractContextManager[Any]] = opened
    config = DepthConfig(threshold=threshold)
    with ours.mounted(tiny.vlm):
        found = ATTACK.read(tiny.vlm, data, config)
    return dict(ATTACK.figures(found, opening, data, config)[""])


def test_gold_is_as_deep_as_gold_and_the_target_has_no_depth(tiny: Any) -> None:
    gold = change(tiny, FIRST, LAST)
    assert set(figures(tiny, gold, gold).values()) == {0.0}
    untouched = figures(tiny, Artifact("none"), gold)
    assert list(untouched.values()) == pytest.approx([1.0] * len(untouched), abs=1e-5)


def test_two_layers_by_hand(tiny: Any) -> None:
    """Gold differs in the last layer alone: with its states there the target says exactly what gold says, and at the
    first layer nothing changes. So Δ1 = (0, target − gold), Δ2 = (0, target − ours), and UDS is their quotient."""
    gold, ours = change(tiny, LAST, size=-0.5), change(tiny, LAST, size=-0.2)
    pairs = pairs_of(tiny.data.forget)
    said = []
    for artifact in (Artifact("none"), gold, ours):
        with artifact.mounted(tiny.vlm):
            said.append([sum(row[:-1]) / (len(row) - 1) for row in tiny.vlm.answer_logprobs(pairs)])
    expected = {
        item.item_id: 1 - min(1.0, max(0.0, (target - us) / (target - theirs)))
        for item, target, theirs, us in zip(tiny.data.forget, *said, strict=True)
        if target - theirs > 0.05
    }
    assert 0 < len(expected) < len(pairs), "some items are dropped"
    assert figures(tiny, ours, gold, threshold=0.05) == pytest.approx(expected, abs=1e-3)


def test_means_leave_out_the_end(tiny: Any) -> None:
    pairs = pairs_of(tiny.data.forget)
    expected = [sum(row[:-1]) / (len(row) - 1) for row in tiny.vlm.answer_logprobs(pairs)]
    assert answer_means(tiny.vlm, pairs) == pytest.approx(expected, abs=1e-4)


def test_a_gold_that_lacks_nothing_shows_nothing(tiny: Any) -> None:
    with pytest.raises(NotApplicable, match=r"more than 0\.05 nats"):
        figures(tiny, Artifact("none"), Artifact("none"), threshold=0.05)


def test_a_filter_before_the_model_has_no_inside(tiny: Any) -> None:
    class Refuses:
        def rewrite(self, query: Any) -> Any:
            return query

        def refuse(self, query: Any, answer: str | None) -> str:
            return "no"

    data = AttackData(tiny.data.forget, (), (), (), (), tiny.vlm.source)
    with filtering(tiny.vlm, Refuses()), pytest.raises(NotApplicable, match="filter stands before"):
        ATTACK.read(tiny.vlm, data, DepthConfig())
