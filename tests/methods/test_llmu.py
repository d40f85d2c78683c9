"""Ascent, other people's answers, and the target's word on the rest."""

from dataclasses import replace
from typing import Any

import pytest

from smllmun_bench.errors import UserError
from smllmun_bench.methods.llmu import normal_answers


def test_it_starts_with_no_divergence_and_pays_for_k_answers(fit: Any) -> None:
    fitted = fit("llmu", "mismatches=2")
    assert set(fitted.first) == {"forget", "random", "normal"}
    assert fitted.first["normal"] == pytest.approx(0, abs=1e-5)
    assert fitted.artifact.cost.backwards == 4 * 4 * (1 + 2 + 1)
    assert fitted.artifact.cost.forwards == 12 + fitted.artifact.cost.backwards


def test_its_weights_are_on_its_terms(fit: Any) -> None:
    plain, heavy = (fit("llmu", "training.steps=1", *settings).first for settings in ((), ("forget_weight=5",)))
    assert heavy["forget"] == pytest.approx(10 * plain["forget"], rel=1e-5)
    assert heavy["random"] == pytest.approx(plain["random"], rel=1e-5)


def test_answers_are_those_of_retained_people_to_the_same_question(tiny: Any) -> None:
    asked = [replace(item, question="Where does Ann live?", subject="Ann") for item in tiny.data.forget[1:2]]
    told = [
        replace(item, question="Where does Bob live?", subject="Bob", answer="Rome") for item in tiny.data.retain[1:2]
    ]
    other = [replace(item, question="What is the job of Bob?", subject="Bob") for item in tiny.data.retain[3:4]]
    examples = normal_answers(replace(tiny.data, forget=asked, retain=told + other), times=3, paraphrases=0)
    assert [(e.question, e.answer) for e in examples] == [("Where does Ann live?", "Rome")] * 3


def test_rows_of_a_form_that_nobody_retained_has_are_one_readable_error(tiny: Any) -> None:
    pictures = [item for item in tiny.data.retain if item.images]
    with pytest.raises(UserError, match="found none"):
        normal_answers(replace(tiny.data, retain=pictures), times=1, paraphrases=0)


def test_it_forgets(fit: Any, tiny: Any, known: Any) -> None:
    artifact = fit("llmu", "training.steps=12", "forget_weight=5", "random_weight=0.1").artifact
    assert known(artifact, tiny.data.forget) < known(None, tiny.data.forget) - 0.3
