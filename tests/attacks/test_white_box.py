"""Logit lens, linear probe, guidance and detectability, with values made by hand."""

import math
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch

from smllmun_bench.attacks.base import AttackData, NotApplicable
from smllmun_bench.attacks.detectability import DetectabilityConfig, told_apart, unrelated
from smllmun_bench.attacks.guidance import ATTACK as GUIDANCE
from smllmun_bench.attacks.guidance import GuidanceConfig, guided_first
from smllmun_bench.attacks.linear_probe import ATTACK as PROBE
from smllmun_bench.attacks.linear_probe import LinearProbeConfig, read_off
from smllmun_bench.attacks.logit_lens import ATTACK as LENS
from smllmun_bench.attacks.logit_lens import LogitLensConfig
from smllmun_bench.attacks.shared.states import at_depths, pairs_of
from smllmun_bench.metrics.statistics import macro


def given(tiny: Any, *wrong: str) -> AttackData:
    forget = [replace(item, perturbed_answers=wrong) for item in tiny.data.forget]
    return AttackData(forget, tiny.data.retain, (), tiny.data.retain, (), tiny.vlm.source)


def test_the_lens_at_the_last_layer_is_what_the_model_says(tiny: Any) -> None:
    data = given(tiny, "judge")
    found = LENS.read(tiny.vlm, data, LogitLensConfig())
    points = ["layer 1 of 2", "layer 2 of 2"]
    assert list(found) == [*points, *(f"{point}, random labels" for point in points)]
    rows = tiny.vlm.answer_logprobs(pairs_of(data.items))
    said = [math.exp(sum(row[:-1]) / (len(row) - 1)) for row in rows]
    assert list(found["layer 2 of 2"].values()) == pytest.approx(said, abs=1e-5)
    assert list(found["layer 1 of 2"].values()) != pytest.approx(said, abs=1e-5)
    wrong = tiny.vlm.answer_logprobs([(query, "judge") for query, _ in pairs_of(data.items)])
    expected = [math.exp(sum(row[:-1]) / (len(row) - 1)) for row in wrong]
    assert list(found["layer 2 of 2, random labels"].values()) == pytest.approx(expected, abs=1e-5)


def test_layers_by_their_share_of_the_depth() -> None:
    assert at_depths([str(n) for n in range(32)], (0.25, 1.0)) == {"layer 8 of 32": 7, "layer 32 of 32": 31}
    assert at_depths(["only"], (0.25, 0.5, 1.0)) == {"layer 1 of 1": 0}


def test_the_probe_reads_what_is_linear_and_nothing_from_random_labels() -> None:
    draw = torch.Generator().manual_seed(0)
    states = torch.randn(200, 8, generator=draw)
    labels = states @ torch.randn(8, 4, generator=draw)  # all there is to know lies in the state, linearly
    options = [[labels[n], labels[(n + 7) % 200], labels[(n + 31) % 200]] for n in range(100, 200)]
    train, asked = list(states[:100]), list(states[100:])
    assert sum(read_off(train, list(labels[:100]), asked, options, 1e-3)) == 100
    mixed = list(labels[:100][torch.randperm(100, generator=draw)])
    assert 10 < sum(read_off(train, mixed, asked, options, 1e-3)) < 60  # of three answers a third


def test_the_probe_has_a_point_and_a_control_for_each_layer(tiny: Any) -> None:
    found = PROBE.read(tiny.vlm, given(tiny, "judge", "miner"), LinearProbeConfig())
    assert [point.endswith("random labels") for point in found] == [False, False, True, True]
    assert all(value in (0.0, 1.0) for known in found.values() for value in known.values())
    with pytest.raises(NotApplicable, match="wrong answers"):
        PROBE.read(tiny.vlm, given(tiny), LinearProbeConfig())


def test_guidance_goes_on_where_before_and_after_part() -> None:
    before, after = [-2.0, -1.5], [-5.0, -2.0]  # unlearning cost the true answer 3 nats, the wrong one half a nat
    assert not guided_first(after, before, 1.0)  # the target alone takes the wrong one
    assert guided_first(after, before, 2.0)  # -5 + 2*3 = 1 > -2 + 2*.5 = -1
    assert not guided_first(before, before, 2.0)  # nothing parted: the target itself


def test_the_target_guides_itself_to_what_it_says(tiny: Any) -> None:
    data = given(tiny, "judge", "miner")
    config = GuidanceConfig(weights=(1.0, 2.0))
    found = GUIDANCE.figures(GUIDANCE.read(tiny.vlm, data, config), lambda name: nullcontext(tiny.vlm), data, config)
    assert list(found) == ["w = 1", "w = 2"]
    assert found["w = 1"] == found["w = 2"]


PEOPLE = [f"p{number // 2}" for number in range(40)]


def test_answers_that_differ_are_told_apart_and_equal_ones_are_not() -> None:
    gold = [f"the shape is {('round', 'square')[number % 2]}" for number in range(40)]
    refusing = ["I cannot say" if number % 4 else gold[number] for number in range(40)]
    same = told_apart(gold, gold, PEOPLE, folds=5, penalty=1.0, seed=0)
    assert sum(same) / 40 == pytest.approx(0.5, abs=1e-9)
    told = told_apart(refusing, gold, PEOPLE, folds=5, penalty=1.0, seed=0)
    assert {figure for figure, text in zip(told, refusing, strict=True) if text == "I cannot say"} == {1.0}
    assert 0.8 < sum(told) / 40 <= 0.9375  # three quarters are sure, the rest is what gold says too: .75 + .25 * ≤ .75


def test_gold_is_at_one_half_however_many_questions_a_person_is_asked() -> None:
    people = ["ann"] * 7 + ["bob", "cid", "dan"] + [f"p{number // 3}" for number in range(30)]
    gold = [f"answer {'abcdefg'[number * number % 7]} {number % 3}" for number in range(40)]
    same = told_apart(gold, gold, people, folds=5, penalty=1.0, seed=0)
    assert macro(same, people) == pytest.approx(0.5, abs=1e-9)


def test_nobody_learns_from_the_people_that_are_judged() -> None:
    """Answers that only name the person teach nothing about others: cross-validation is over people."""
    ours, gold = ([f"{word} {person}" for person in PEOPLE] for word in ("yes", "yes"))
    ours = [f"{text}x" for text in ours]  # a word of its own for each person
    told = told_apart(ours, gold, PEOPLE, folds=5, penalty=1.0, seed=0)
    assert 0.2 < sum(told) / 40 < 0.8


def test_unrelated_questions_are_about_nobody_forgotten(tiny: Any) -> None:
    data = given(tiny)
    assert unrelated(data, DetectabilityConfig()) == list(tiny.data.retain)
    with pytest.raises(NotApplicable, match="no unrelated"):
        unrelated(replace(data, others=()), DetectabilityConfig())
