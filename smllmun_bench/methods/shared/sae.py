"""A sparse autoencoder on the states of a vision tower, and the edit that SAUCE makes with it.

    z = ReLU(W_enc (a − b_dec) + b_enc)      â = W_dec z + b_dec
    L = mean( ‖a − â‖² + α ‖z‖₁ )

Rows of `out` are the columns of W_dec, kept at unit norm; the part of a gradient along them is removed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from smllmun_bench.errors import UserError
from smllmun_bench.models.change import Settings
from smllmun_bench.models.hooks import editing, reading

if TYPE_CHECKING:
    from smllmun_bench.models.vision import FeatureBank
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.config import TrainingConfig

Weights = Mapping[str, Tensor]
"""`into` (features, width), `into_bias` (features), `out` (features, width), `centre` (width)."""


def tower_blocks(vlm: "Vlm", method: str) -> nn.ModuleList:
    """The blocks of the vision tower: the longest list of modules in it. Raises UserError if there is none."""
    where = vlm.family.vision[0]
    try:
        tower = vlm.model.get_submodule(where)
    except AttributeError:
        parts = ", ".join(name for name, _ in vlm.model.named_children())
        raise UserError(
            f"{method} looked for a vision tower at {where} of {vlm.name} and found none; the model has {parts}",
            fix="a vision-language model whose tower is there; docs/add_a_model.md",
        ) from None
    lists = [module for module in tower.modules() if isinstance(module, nn.ModuleList) and len(module)]
    if not lists:
        parts = ", ".join(name for name, _ in tower.named_children()) or "no parts"
        raise UserError(
            f"{method} looked for the blocks of the vision tower at {where} of {vlm.name} and found {parts}",
            fix="a tower that keeps its blocks in a ModuleList",
        )
    return max(lists, key=len)


def chosen_block(vlm: "Vlm", number: int, method: str) -> nn.Module:
    """Block `number`, negative from the end; the first where there are fewer."""
    blocks = tower_blocks(vlm, method)
    return blocks[max(-len(blocks), min(number, len(blocks) - 1))]


def activations(vlm: "Vlm", bank: "FeatureBank", images: Sequence[str], block: nn.Module, scope: str) -> list[Tensor]:
    """What leaves the block for each image: (tokens, width) in float32 on the CPU, or (1, width) for `last`."""
    found: list[Tensor] = []

    def listen(states: Tensor) -> None:
        states = states[..., -1, :] if scope == "last" else states
        found.append(states.detach().reshape(-1, states.shape[-1]).float().cpu())

    with reading(vlm, block, listen, side="output"), torch.no_grad(), bank.apart():
        for image in images:
            bank.features(vlm.model, [image])
    return found


def encode(states: Tensor, weights: Weights) -> Tensor:
    """z (…, features)."""
    return torch.relu((states - weights["centre"]) @ weights["into"].T + weights["into_bias"])


def geometric_median(points: Tensor, rounds: int = 20) -> Tensor:
    """The point with the least sum of distances to the rows of `points` (Weiszfeld's iteration)."""
    centre = points.mean(0)
    for _ in range(rounds):
        weight = 1 / (points - centre).norm(dim=1).clamp(min=1e-6)
        centre = (weight[:, None] * points).sum(0) / weight.sum()
    return centre


def train_sae(
    points: Tensor,
    features: int,
    l1: float,
    config: "TrainingConfig",
    seed: int,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> Weights:
    """Adam on batches of the rows of `points` (N, width)."""
    from smllmun_bench.training.minibatch import minimise

    draw = torch.Generator().manual_seed(seed)
    out = nn.functional.normalize(torch.randn(features, points.shape[1], generator=draw), dim=1)
    weights = {
        "into": out.clone(),
        "into_bias": torch.zeros(features),
        "out": out,
        "centre": geometric_median(points),
    }
    for tensor in weights.values():
        tensor.requires_grad_()
    optimiser = torch.optim.Adam(weights.values(), lr=config.lr)

    def loss() -> Tensor:
        batch = points[torch.randint(len(points), (config.batch_size,), generator=draw)]
        z = encode(batch, weights)
        rebuilt = z @ weights["out"] + weights["centre"]
        found: Tensor = ((batch - rebuilt).square().sum(1) + l1 * z.sum(1)).mean()
        return found

    @torch.no_grad()
    def project_gradient(*_: Any) -> None:
        gradient = out.grad
        assert gradient is not None
        gradient -= (gradient * out).sum(1, keepdim=True) * out

    @torch.no_grad()
    def normalise(*_: Any) -> None:
        out.copy_(nn.functional.normalize(out, dim=1))

    optimiser.register_step_pre_hook(project_gradient)
    optimiser.register_step_post_hook(normalise)
    minimise(loss, optimiser, config, on_step=on_step)
    return {name: tensor.detach() for name, tensor in weights.items()}


def scores(positive: Tensor, negative: Tensor, delta: float = 1e-6) -> Tensor:
    """S_i = μ⁺_i / (Σ_j μ⁺_j + δ) − μ⁻_i / (Σ_j μ⁻_j + δ), from mean activations (features) of two sets of images."""
    return positive / (positive.sum() + delta) - negative / (negative.sum() + delta)


def edited(states: Tensor, weights: Weights, *, preserve_error: bool) -> Tensor:
    """States (…, width) with feature i multiplied by `weights["factor"][i]`.

    With `preserve_error` the change alone is added, a + W_dec (z′ − z), which needs the changed features only and is
    the identity at factor 1; else the state is replaced by its reconstruction.
    """
    whole = {name: tensor.to(states.device) for name, tensor in weights.items()}
    z = encode(states.float(), whole)
    if preserve_error:
        return states + (((whole["factor"] - 1) * z) @ whole["out"]).to(states.dtype)
    return ((whole["factor"] * z) @ whole["out"] + whole["centre"]).to(states.dtype)


@contextmanager
def feature_edit(vlm: "Vlm", tensors: Mapping[str, Tensor], settings: Settings) -> "Iterator[Vlm]":
    """What leaves a block of the tower is edited, at all tokens or at the last of each image."""
    block, keep = chosen_block(vlm, settings["block"], "sauce"), settings["preserve_error"]

    def changed(states: Tensor) -> Tensor:
        if settings["scope"] == "all":
            return edited(states, tensors, preserve_error=keep)
        last = edited(states[..., -1:, :], tensors, preserve_error=keep)
        return torch.cat([states[..., :-1, :], last], dim=-2)

    # First of all hooks: `transformers` collects the hidden states that a decoder reads by hooks of its own.
    with editing(vlm, block, changed, side="output", first=True), vlm.bank.apart():
        yield vlm
