"""Ascent, held by a divergence that starts at nothing."""

from typing import Any

import pytest


def test_the_divergence_is_nothing_at_first_and_something_later(fit: Any, tiny: Any) -> None:
    fitted = fit("kl")
    assert fitted.first["retain"] == pytest.approx(0, abs=1e-5)
    assert fitted.steps[-1]["retain"] > 1e-6
    assert fitted.artifact.cost.forwards == 12 + fitted.artifact.cost.backwards  # 4 people, three retain rows of each


def test_it_ascends(fit: Any, tiny: Any, known: Any) -> None:
    assert known(fit("kl", "training.steps=12").artifact, tiny.data.forget) < known(None, tiny.data.forget) - 0.3


def test_a_stronger_hold_moves_less(fit: Any) -> None:
    loose, tight = (fit("kl", "training.steps=12", f"retain_weight={w}") for w in (0.01, 100))
    assert tight.steps[-1]["retain"] / 100 < loose.steps[-1]["retain"] / 0.01
