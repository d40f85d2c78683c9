"""Losses against numbers worked out by hand."""

import math

import pytest
import torch

from smllmun_bench.training import losses


def test_cross_entropy_is_the_mean_over_tokens() -> None:
    assert losses.cross_entropy(torch.tensor([-1.0, -2.0, -6.0])).item() == 3


def test_ascent_is_descent_turned_round() -> None:
    logp = torch.tensor([-1.0, -2.5])
    assert losses.gradient_ascent(logp) == -losses.cross_entropy(logp)


def test_npo_at_the_start() -> None:
    """(2/β)·ln 2 = 20 · 0.693147 at β = 0.1."""
    logp = torch.tensor([-3.0, -70.0])
    assert losses.npo(logp, logp, beta=0.1).item() == pytest.approx(13.862944, abs=1e-5)


def test_npo_by_hand() -> None:
    """β = 1, ratio e^1: 2 · ln(1 + e) = 2.626523."""
    assert losses.npo(torch.tensor([-1.0]), torch.tensor([-2.0]), beta=1.0).item() == pytest.approx(2.626523, abs=1e-5)


@pytest.mark.parametrize("beta", [0.05, 0.1, 1.0])
def test_npo_at_the_start_pulls_like_ascent_on_whole_answers(beta: float) -> None:
    """d/dlogp of (2/β)·softplus(β·x) at x = 0 is 2·sigmoid(0) = 1: that of mean log p itself, whatever β is."""
    logp = torch.tensor([-3.0, -70.0, -0.1], requires_grad=True)
    losses.npo(logp, logp.detach(), beta=beta).backward()
    assert logp.grad is not None
    assert logp.grad.tolist() == pytest.approx([1 / 3] * 3)


def test_npo_fades_where_ascent_does_not() -> None:
    logp = torch.tensor([-200.0], requires_grad=True)
    losses.npo(logp, torch.tensor([-3.0]), beta=0.1).backward()
    assert logp.grad is not None
    assert 0 < logp.grad.item() < 1e-8


def test_npo_stays_finite_far_out() -> None:
    assert math.isfinite(losses.npo(torch.tensor([0.0]), torch.tensor([-1e6]), beta=1.0).item())


def test_kl_by_hand() -> None:
    """KL((½, ½) ‖ (¼, ¾)) = ½·ln 2 + ½·ln ⅔ = 0.143841, and the mean over two positions, one of which is equal."""
    before = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log()
    now = torch.tensor([[0.25, 0.75], [0.5, 0.5]]).log()
    assert losses.kl_to_reference(now, before).item() == pytest.approx(0.143841 / 2, abs=1e-6)
    assert losses.kl_to_reference(before, before).item() == 0
