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


def test_dpo_at_the_start_pulls_up_what_is_preferred_and_down_the_other() -> None:
    """(2/β)·ln 2 at β = 0.1, and 2·σ(0) = 1 on each side: the gradient of NLL(preferred) - NLL(other)."""
    preferred, other = (torch.tensor(values, requires_grad=True) for values in ([-3.0, -7.0], [-1.0, -90.0]))
    value = losses.dpo(preferred, preferred.detach(), other, other.detach(), beta=0.1)
    assert value.item() == pytest.approx(13.862944, abs=1e-5)
    value.backward()
    assert preferred.grad is not None
    assert other.grad is not None
    assert preferred.grad.tolist() == pytest.approx([-0.5, -0.5])
    assert other.grad.tolist() == pytest.approx([0.5, 0.5])


def test_dpo_by_hand() -> None:
    """β = 1, Δ(preferred) - Δ(other) = 2 - 1: 2·ln(1 + e^-1) = 0.626523."""
    one, two, three = (torch.tensor([-number]) for number in (1.0, 2.0, 3.0))
    assert losses.dpo(one, three, two, three, beta=1.0).item() == pytest.approx(0.626523, abs=1e-5)


@pytest.mark.parametrize(("beta", "expected"), [(2.5, 0.2015), (4.5, 0.0445)])
def test_simnpo_by_hand(beta: float, expected: float) -> None:
    """(2/β)·ln(1 + e^(-β·nll)) at nll = 0.5; its gradient is -∇nll times 2·σ(-β·nll)."""
    mean = torch.tensor([-0.5], requires_grad=True)
    value = losses.simnpo(mean, beta=beta, margin=0)
    assert value.item() == pytest.approx(expected, abs=5e-5)
    value.backward()
    assert mean.grad is not None
    assert mean.grad.item() == pytest.approx(2 / (1 + math.exp(beta * 0.5)), rel=1e-5)


def test_simnpo_s_margin_is_a_likelihood_less() -> None:
    mean = torch.tensor([-1.0])
    assert losses.simnpo(mean, beta=2.5, margin=0.75) == losses.simnpo(mean + 0.75, beta=2.5, margin=0)


def test_states_are_averaged_item_by_item() -> None:
    """One item with one token at distance² 4, one with three at 1, 1 and 4: (4 + 2) / 2, and not 10 / 4."""
    states = torch.tensor([[2.0, 2.0], [1.0, 1.0], [1.0, 1.0], [2.0, 2.0]])
    owner = torch.tensor([0, 1, 1, 1])
    assert losses.state_distance(states, torch.zeros(2), owner, 2).item() == pytest.approx(3)
    assert losses.state_distance(states, states, owner, 2).item() == 0


def _two(*probabilities: float) -> torch.Tensor:
    return torch.tensor([probabilities]).log()


def test_the_dual_masked_divergence_without_masks_is_the_divergence() -> None:
    everywhere, whole = torch.ones(1).bool(), torch.ones(1, 2).bool()
    now, before = _two(0.25, 0.75), _two(0.5, 0.5)
    assert losses.dual_masked_kl(now, before, everywhere, whole).item() == pytest.approx(0.143841, abs=1e-6)
    assert losses.dual_masked_kl(now, before, ~everywhere, whole).item() == 0


def test_a_masked_word_goes_down_already_where_the_divergence_is_nothing() -> None:
    """Without the second word: ½·ln(½/½) = 0, and ∂/∂z = ½·p - (½, 0) = (-¼, +¼)."""
    logits = _two(0.5, 0.5).requires_grad_()
    first = torch.tensor([[True, False]])
    value = losses.dual_masked_kl(logits.log_softmax(-1), _two(0.5, 0.5), torch.ones(1).bool(), first)
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert logits.grad.tolist() == [[-0.25, 0.25]]
    assert losses.dual_masked_kl(_two(0.75, 0.25), _two(0.5, 0.5), torch.ones(1).bool(), first) < 0
