"""The plain loop: rates, clipping, hooks of the optimiser, and a loss that is no number."""

import pytest
import torch

from smllmun_bench.errors import RunFailed
from smllmun_bench.training.config import TrainingConfig
from smllmun_bench.training.minibatch import minimise


def descent(config: TrainingConfig, *, clip: bool = False) -> list[float]:
    """Values of a weight that begins at 8 and is pulled down by a gradient of 4."""
    weight = torch.tensor(8.0, requires_grad=True)
    seen: list[float] = []
    optimiser = torch.optim.SGD([weight], lr=123.0)  # replaced by that of the configuration
    minimise(lambda: 4 * weight, optimiser, config, on_step=lambda done, loss: seen.append(weight.item()), clip=clip)
    return seen


def test_rates_rise_and_fall_as_configured() -> None:
    config = TrainingConfig(steps=4, lr=0.5, warmup=2, schedule="linear")
    assert descent(config) == [7.0, 5.0, 3.0, 2.0]  # rates .25, .5, .5, .25, each times 4


def test_gradients_are_clipped_if_asked() -> None:
    config = TrainingConfig(steps=2, lr=0.5, max_grad_norm=1.0)
    assert descent(config) == [6.0, 4.0]
    assert descent(config, clip=True) == pytest.approx([7.5, 7.0], abs=1e-5)


def test_the_loss_that_is_told_is_the_one_before_the_step() -> None:
    weight = torch.tensor(1.0, requires_grad=True)
    told: list[tuple[int, float]] = []
    optimiser = torch.optim.SGD([weight], lr=0.0)
    optimiser.register_step_post_hook(lambda *_: weight.data.fill_(5.0))
    minimise(
        lambda: 2 * weight,
        optimiser,
        TrainingConfig(steps=2, lr=0.1),
        on_step=lambda done, loss: told.append((done, loss)),
    )
    assert told == [(1, 2.0), (2, 10.0)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_fails_the_run_and_says_when(value: float) -> None:
    weight, calls = torch.tensor(1.0, requires_grad=True), iter([1.0, value])
    with pytest.raises(RunFailed, match=f"loss {value} at step 2 of 3"):
        minimise(
            lambda: weight * next(calls),
            torch.optim.SGD([weight]),
            TrainingConfig(steps=3),
            on_step=lambda done, loss: None,
        )
