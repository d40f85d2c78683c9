"""The mask of SMFA: worked examples, what must hold for any pair of updates, and what chance alone gives."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from smllmun_bench.methods.shared import sculpt
from smllmun_bench.methods.shared.sculpt import MaskSpec

F = torch.tensor([[2.0, -2.0], [1.0, -3.0]])
A = torch.tensor([[-1.0, 1.0], [1.0, 1.0]])
# ρ = √18/2 = 2.12132. Conflicts: all but (1, 0). |F| > k·ρ·|A| for ±2 while k < 0.943, for -3 while k < √2.


def shaped(mask: str, **settings: float) -> list[list[float]]:
    spec = MaskSpec(mask=mask, **settings)  # type: ignore[arg-type]
    return sculpt.sculpt(F, A, spec, torch.Generator().manual_seed(0)).tolist()


@pytest.mark.parametrize(
    ("mask", "k", "expected"),
    [
        ("smfa", 0.0, [[0, 0], [1, 0]]),
        ("smfa", 0.5, [[0, 0], [1, 0]]),
        ("smfa", 1.0, [[2, -2], [1, 0]]),
        ("smfa", 2.0, [[2, -2], [1, -3]]),
        ("conflict", 5.0, [[0, 0], [1, 0]]),
        ("magnitude", 0.0, [[0, 0], [0, 0]]),
        ("magnitude", 0.4, [[0, 0], [0, 0]]),  # (1, 0) falls while k < 1/ρ = 0.471
        ("magnitude", 0.5, [[0, 0], [1, 0]]),
        ("magnitude", 1.0, [[2, -2], [1, 0]]),
        ("reversed", 0.5, [[2, -2], [1, -3]]),
        ("reversed", 1.0, [[0, 0], [1, -3]]),
        ("reversed", 2.0, [[0, 0], [1, 0]]),
        ("none", 0.0, [[2, -2], [1, -3]]),
        # ⟨F, A⟩ = -2 - 2 + 1 - 3 = -6 and ‖A‖² = 4, so 1.5·A is added
        ("project", 5.0, [[0.5, -0.5], [2.5, -1.5]]),
        ("task_arithmetic", 5.0, [[1, -1], [2, -2]]),
    ],
)
def test_golden_matrix(mask: str, k: float, expected: list[list[float]]) -> None:
    assert shaped(mask, k=k) == expected


@pytest.mark.parametrize(("k", "masked"), [(0.942, True), (0.944, False)])
def test_beside_the_switch_point_of_two(k: float, masked: bool) -> None:
    assert bool(sculpt.smfa_mask(F, A, k)[0, 0]) is masked


@pytest.mark.parametrize(("k", "masked"), [(1.414, True), (1.4143, False)])
def test_beside_the_switch_point_of_three(k: float, masked: bool) -> None:
    assert bool(sculpt.smfa_mask(F, A, k)[1, 1]) is masked


def test_ties_elects_a_sign_and_averages_those_that_agree() -> None:
    """top 75 % of each: [4, -3, 2, 0] and [-1, 2, 4, 0]; signs of the sums: +, -, +, 0."""
    first, second = torch.tensor([4.0, -3.0, 2.0, 0.5]), torch.tensor([-1.0, 2.0, 4.0, -0.2])
    assert sculpt.ties(first, second, top=0.75).tolist() == [4, -3, 3, 0]


def test_strength_multiplies_what_is_left() -> None:
    assert shaped("smfa", k=1.0, strength=0.5) == [[1, -1], [0.5, 0]]


def test_project_leaves_updates_that_agree_alone() -> None:
    assert torch.equal(sculpt.project(F, F), F)


# -- what holds for any pair -------------------------------------------------------------------------------------------

seeds = st.integers(0, 10_000)
strengths = st.floats(0.0, 20.0)


def pair(seed: int) -> tuple[Tensor, Tensor]:
    """Two updates with zeros strewn in."""
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(2, 9, 11, generator=draw) * (torch.rand(2, 9, 11, generator=draw) > 0.2)
    return values[0], values[1]


@given(seeds, strengths, strengths)
def test_masks_are_nested(seed: int, one: float, other: float) -> None:
    forget, anchor = pair(seed)
    low, high = sorted((one, other))
    assert not (sculpt.smfa_mask(forget, anchor, high) & ~sculpt.smfa_mask(forget, anchor, low)).any()


@given(seeds, strengths, st.integers(-8, 8), st.integers(-8, 8))
def test_a_positive_factor_on_either_update_changes_no_mask(seed: int, k: float, left: int, right: int) -> None:
    """Powers of two, so that nothing is rounded; entries on the very edge may still fall either way, so few differ."""
    forget, anchor = pair(seed)
    same = sculpt.smfa_mask(forget, anchor, k) == sculpt.smfa_mask(forget * 2.0**left, anchor * 2.0**right, k)
    assert (~same).sum() <= 1


@given(seeds, strengths)
def test_zeros_are_never_masked(seed: int, k: float) -> None:
    forget, anchor = pair(seed)
    zero = (forget == 0) | (anchor == 0)
    assert zero.any()
    assert not sculpt.smfa_mask(forget, anchor, k)[zero].any()


@given(seeds, strengths)
def test_an_anchor_that_learnt_nothing_masks_nothing(seed: int, k: float) -> None:
    forget, _ = pair(seed)
    assert not sculpt.smfa_mask(forget, torch.zeros_like(forget), k).any()


@given(seeds)
def test_turning_the_anchor_round_swaps_the_conflicts(seed: int) -> None:
    forget, anchor = pair(seed)
    both = (forget != 0) & (anchor != 0)
    assert torch.equal(sculpt.conflict(forget, -anchor), both & ~sculpt.conflict(forget, anchor))


@given(seeds, strengths)
def test_the_two_readings_of_dominance_never_mask_the_same_entry(seed: int, k: float) -> None:
    forget, anchor = pair(seed)
    assert not (sculpt.smfa_mask(forget, anchor, k) & sculpt.reversed_mask(forget, anchor, k)).any()


# -- chance ------------------------------------------------------------------------------------------------------------


def gaussians(correlation: float = 0.0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(3)
    first, noise = torch.randn(2, 600, 600, generator=draw)
    return first, correlation * first + math.sqrt(1 - correlation**2) * noise


@pytest.mark.parametrize(
    ("k", "masked", "energy"),
    [(0, 0.5, 0.5), (0.5, 0.352, 0.480), (1, 0.25, 0.409), (2.5, 0.121, 0.231), (5, 0.063, 0.124), (10, 0.032, 0.063)],
)
def test_independent_updates_meet_the_null_model(k: float, masked: float, energy: float) -> None:
    """The table is (1/π)·arctan(1/k) and (1/π)·(arctan(1/k) + k/(1 + k²)), worked out by hand."""
    assert (sculpt.null_masked(k), sculpt.null_energy(k)) == pytest.approx((masked, energy), abs=6e-4)
    found = sculpt.diagnose([gaussians()], k)
    assert (found.masked, found.energy) == pytest.approx((found.null_masked, found.null_energy), abs=0.004)
    assert found.conflict_rate == pytest.approx(0.5, abs=0.004)
    assert found.correlation == pytest.approx(0, abs=0.006)


def test_correlated_updates_conflict_less() -> None:
    """arccos(c)/π for Gaussians: 29.5 % at c = 0.6."""
    found = sculpt.diagnose([gaussians(0.6)], 5)
    assert found.conflict_rate == pytest.approx(math.acos(0.6) / math.pi, abs=0.004)
    assert found.correlation == pytest.approx(0.6, abs=0.004)


@pytest.mark.parametrize(("mask", "removed"), [("random", 0.0628), ("random_energy", 0.1241)])
def test_random_controls_match_what_they_control_for(mask: str, removed: float) -> None:
    """At k = 5 on independent updates: equal count masks 6.28 % at random, equal energy 12.41 %."""
    forget, anchor = gaussians()
    spec = MaskSpec(mask=mask, k=5)  # type: ignore[arg-type]
    left = sculpt.sculpt(forget, anchor, spec, torch.Generator().manual_seed(1))
    gone = left == 0
    assert gone.float().mean().item() == pytest.approx(removed, abs=0.004)
    assert sculpt.removed_energy(forget, gone) == pytest.approx(removed, abs=0.004)


def test_dare_keeps_the_mean() -> None:
    ones = torch.ones(400, 400)
    left = sculpt.sculpt(ones, ones, MaskSpec(mask="dare", share=0.75), torch.Generator().manual_seed(1))
    assert set(left.unique().tolist()) == {0.0, 4.0}
    assert left.mean().item() == pytest.approx(1, abs=0.03)


def test_diagnosis_of_nothing_is_no_division_by_zero() -> None:
    zero = torch.zeros(2, 2)
    assert (sculpt.diagnose([(zero, zero)], 5).energy, sculpt.removed_energy(zero, zero > 0)) == (0, 0)
