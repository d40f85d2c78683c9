"""No reference: the start depends on what the model knows."""

import math
from dataclasses import replace
from typing import Any

import pytest

from smllmun_bench.models.vlm import Query


def test_it_starts_where_the_formula_says(fit: Any, tiny: Any) -> None:
    """One forget row, so every batch holds it alone: γ·(2/β)·ln(1 + e^(-β·(nll - m)))."""
    item = next(item for item in tiny.data.forget if not item.images)
    row = tiny.vlm.answer_logprobs([(Query(item.question), item.answer)])[0]
    nll = -sum(row) / len(row)
    fitted = fit("simnpo", "beta=0.7", "margin=0.5", "forget_weight=3", data=replace(tiny.data, forget=[item]))
    assert fitted.first["forget"] == pytest.approx(3 * (2 / 0.7) * math.log1p(math.exp(-0.7 * (nll - 0.5))), rel=1e-4)


def test_it_takes_no_pass_before_training(fit: Any) -> None:
    cost = fit("simnpo").artifact.cost
    assert cost.forwards == cost.backwards == 4 * 8


def test_it_forgets(fit: Any, tiny: Any, known: Any) -> None:
    artifact = fit("simnpo", "training.steps=12", "beta=0.1", "forget_weight=1", "retain_weight=0").artifact
    assert known(artifact, tiny.data.forget) < known(None, tiny.data.forget) - 0.3
