"""Two ways to use what fine-tuning teaches."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from smllmun_bench.methods import get
from smllmun_bench.methods.shared import sculpt
from smllmun_bench.training.config import Stop, TrainingConfig


def test_strength_minus_one_learns_zero_does_nothing_and_one_forgets(
    fit: Any, tiny: Any, known: Any, shelf: Any
) -> None:
    data = replace(tiny.data, reuse=shelf)
    learnt, same, away = (
        fit("task-vector", "training.steps=12", f"strength={s}", data=data).artifact for s in (-1, 0, 1)
    )
    assert len(shelf.kept) == 1  # trained once
    forget = tiny.data.forget
    assert known(learnt, forget) > known(None, forget) + 0.3
    assert known(away, forget) < known(None, forget) - 0.3
    before = tiny.vlm.fingerprint()
    with same.mounted(tiny.vlm):
        assert tiny.vlm.fingerprint() == before
    for name, delta in learnt.deltas():
        assert torch.equal(dict(away.deltas())[name], -delta)


def test_ties_merges_the_negated_forget_vector_with_the_retain_vector(fit: Any, tiny: Any, shelf: Any) -> None:
    data = replace(tiny.data, reuse=shelf)
    merged = dict(fit("ties", "top=0.3", "strength=2", data=data).artifact.deltas())
    forget, retain = (dict(artifact.deltas()) for artifact in shelf.kept.values())
    for name, delta in merged.items():
        torch.testing.assert_close(delta, 2 * sculpt.ties(-forget[name], retain[name], top=0.3))
        assert 0 < (delta != 0).float().mean() <= 0.6 + 1e-3
    fit("task-vector", data=data)
    assert len(shelf.kept) == 2  # the forget vector is that of task-vector


@pytest.mark.parametrize("name", ["task-vector", "ties"])
def test_matched_stopping_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="strength"):
        get(name).config(training=TrainingConfig(stop=Stop(rule="matched")))
