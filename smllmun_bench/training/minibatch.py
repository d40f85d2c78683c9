"""The plain loop over minibatches, for small things that are trained beside a model: a gate, an autoencoder, a tower.

What trains the model itself is `loop.train`.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from smllmun_bench.errors import RunFailed
from smllmun_bench.training.config import TrainingConfig, rate_at


def minimise(
    loss: Callable[[], Tensor],
    optimiser: torch.optim.Optimizer,
    config: TrainingConfig,
    *,
    on_step: Callable[[int, float], None],
    clip: bool = False,
) -> None:
    """`config.steps` steps, each on what `loss` gives for a batch that it draws; the rate follows `config`.

    `clip`: the norm of all gradients is `config.max_grad_norm` at most. `on_step` hears the number of steps done and
    the loss before the last one. What else shall happen around a step is a hook of the optimiser's
    (`register_step_pre_hook`, `register_step_post_hook`). Raises RunFailed at a loss that is not a number.
    """
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for step in range(config.steps):
        for group in optimiser.param_groups:
            group["lr"] = config.lr * rate_at(step, config)
        found = loss()
        value = found.item()
        if not math.isfinite(value):
            raise RunFailed(f"loss {value} at step {step + 1} of {config.steps}", fix="a smaller training.lr")
        optimiser.zero_grad(set_to_none=True)
        found.backward()  # type: ignore[no-untyped-call]
        if clip:
            torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
        optimiser.step()
        on_step(step + 1, value)
