"""Tracing, the relaxed null space, and a deviation that starts from a push."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.methods.kuda import METHOD, KudaConfig, _values
from smllmun_bench.methods.shared import causal_tracing
from smllmun_bench.methods.shared.embedding_noise import score
from smllmun_bench.methods.shared.null_space import covariances, relaxed
from smllmun_bench.models.hooks import reading_layers
from smllmun_bench.training import losses
from smllmun_bench.training.examples import from_items
from smllmun_bench.training.loop import Silent

QUICK = ("training.steps=3", "training.batch_size=4", "training.lr=0.001")
DOWN = "model.language_model.layers.{}.mlp.down_proj"


class Heard:
    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []

    def step(self, done: int, total: int, figures: Any) -> None:
        self.steps.append(dict(figures))


def fit(tiny: Any, *settings: str, data: Any = None, progress: Any = None, vlm: Any = None) -> Any:
    config = apply_overrides(KudaConfig(), QUICK + settings)
    return METHOD.fit(vlm or tiny.vlm, data or tiny.data, config, progress or Silent())


# -- the loss ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("beta", "value"), [(1.0, 1.3132617), (10.0, 1.0000045)])
def test_the_deviation_starts_at_a_maximum_of_the_cosine(beta: float, value: float) -> None:
    before = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    now = before.clone().requires_grad_()
    found = losses.deviation(torch.cosine_similarity(now, before, dim=-1), beta=beta)
    assert found.item() == pytest.approx(value, abs=1e-6) == pytest.approx(math.log1p(math.exp(beta)) / beta, abs=1e-5)
    found.backward()
    assert now.grad is not None
    assert now.grad.abs().max() < 1e-7


def test_the_gradient_on_the_cosine_is_a_sigmoid() -> None:
    """A small β pushes on at cos = -0.9, a large one has stopped."""
    pulls = []
    for beta in (0.1, 20.0):
        cosine = torch.tensor([-0.9], requires_grad=True)
        losses.deviation(cosine, beta=beta).backward()
        assert cosine.grad is not None
        pulls.append(cosine.grad.item())
        assert pulls[-1] == pytest.approx(1 / (1 + math.exp(0.9 * beta)), rel=1e-5)
    assert pulls[0] > 0.4
    assert pulls[1] < 1e-7


# -- the projection ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tau", "mode", "passed"),
    [
        (0.5, "soft", [0.5, 1, 1]),
        (0.5, "hard", [0, 1, 1]),
        (0.1, "soft", [0.1, 0.4, 1]),
        (0.0, "hard", [0, 0, 1]),
        (1.0, "soft", [1, 1, 1]),
    ],
)
def test_what_passes_by_hand(tau: float, mode: Any, passed: list[float]) -> None:
    """Eigenvalues 4, 1, 0: limits 2, 0.4 and 0."""
    projection = relaxed(torch.diag(torch.tensor([4.0, 1.0, 0.0])), tau, mode)
    torch.testing.assert_close(
        projection(torch.eye(3)), torch.diag(torch.tensor(passed, dtype=torch.float32)), atol=2e-6, rtol=0
    )
    assert projection.free == pytest.approx(sum(passed) / 3, abs=1e-5)


def test_hard_projections_are_idempotent_and_symmetric_and_a_rank_lets_the_rest_pass() -> None:
    draw = torch.randn(40, 12, generator=torch.Generator().manual_seed(1))
    covariance = draw.T @ draw / 40
    change = torch.randn(5, 12, generator=torch.Generator().manual_seed(2))
    hard = relaxed(covariance, 0.3, "hard")
    torch.testing.assert_close(hard(hard(change)), hard(change))
    matrix = hard(torch.eye(12))
    torch.testing.assert_close(matrix, matrix.T)
    largest = relaxed(covariance, 0.0, "hard", rank=1)
    top = torch.linalg.eigh(covariance).eigenvectors[:, -1]
    assert (largest(change) @ top).abs().max() < 1e-5
    assert largest.free == pytest.approx(11 / 12)


def test_the_covariance_is_that_of_every_token_but_padding(tiny: Any) -> None:
    told = [example for example in from_items(tiny.data.retain) if not example.images]
    name = DOWN.format(1)
    inputs: list[Any] = []
    with torch.no_grad(), reading_layers(tiny.vlm, [name], lambda _, k: inputs.append(k[0]), side="input"):
        for example in told:
            score(tiny.vlm, [example])  # alone: no padding
    k = torch.cat(inputs)
    found = covariances(tiny.vlm, [name], told, batch=len(told))[name]
    torch.testing.assert_close(found, k.T @ k / len(k), rtol=1e-3, atol=1e-7)


# -- tracing -----------------------------------------------------------------------------------------------------------


def test_a_layer_that_says_nothing_has_no_effect(tiny: Any) -> None:
    vlm = tiny.fresh()
    with torch.no_grad():
        vlm.model.get_submodule(DOWN.format(1)).weight.zero_()
        vlm.model.get_submodule(DOWN.format(0)).weight.mul_(30)
    layers = [DOWN.format(0), DOWN.format(1)]
    found = causal_tracing.effects(vlm, layers, from_items(tiny.data.forget), {}, method="test")
    assert abs(found[0]) > 1e-6
    assert found[1] == pytest.approx(0, abs=1e-9)


def test_windows_and_runs() -> None:
    assert causal_tracing.best_window([0.1, 0.5, 0.4, 0.6, 0.0], 2) == 2
    assert causal_tracing.best_window([0.5, 0.5, 0.5], 1) == 0
    where = torch.tensor([[True, True, False, True], [False, True, True, True]])
    assert causal_tracing.last_of_runs(where).tolist() == [[False, True, False, True], [False, False, False, True]]


def test_nothing_to_corrupt_is_said(tiny: Any) -> None:
    told = replace(tiny.data, forget=[item for item in tiny.data.forget if not item.images])
    with pytest.raises(UserError, match="corrupting pictures and names"):
        fit(tiny, data=told)
    named = [replace(item, subject=f"Ann Number{item.entity_id.removeprefix('p')}") for item in told.forget]
    assert fit(tiny, data=replace(told, forget=named)).tensors


# -- the method --------------------------------------------------------------------------------------------------------


def test_it_starts_at_the_maximum_without_a_push_and_falls_with_one(tiny: Any) -> None:
    still, pushed = Heard(), Heard()
    fit(tiny, "push=0", "training.steps=1", progress=still)
    assert still.steps[0]["forget"] == pytest.approx(1.3132617, abs=1e-5)
    fit(tiny, "training.steps=30", progress=pushed)
    assert pushed.steps[-1]["forget"] < pushed.steps[0]["forget"] - 0.1


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        (("first_layer=1", "window=1"), {"1.mlp.down_proj"}),
        (("first_layer=0", "window=2"), {"0.mlp.down_proj", "1.mlp.down_proj"}),
        (
            ("first_layer=0", "window=1", "whole_ffn=true"),
            {"0.mlp.down_proj", "0.mlp.up_proj", "0.mlp.gate_proj"},
        ),
    ],
)
def test_only_the_window_changes(tiny: Any, settings: tuple[str, ...], changed: set[str]) -> None:
    found = {name for name, delta in fit(tiny, *settings).deltas() if delta.abs().max() > 0}
    assert found == {f"model.language_model.layers.{name}.weight" for name in changed}


def test_in_the_null_space_retain_rows_keep_their_outputs(tiny: Any) -> None:
    """One retain row fills few of 64 directions. Without the projection the same training moves it."""
    one = replace(tiny.data, retain=[item for item in tiny.data.retain if not item.images][:1])
    name = DOWN.format(1)
    (example,) = from_items(one.retain)
    moved = {}
    for tau in (0, 1):
        artifact = fit(
            tiny, "first_layer=1", "window=1", "retain_weight=0", f"tau={tau}", "training.steps=10", data=one
        )
        seen: list[Any] = []
        with (
            torch.no_grad(),
            reading_layers(tiny.vlm, [name], lambda _, v, kept=seen: kept.append(v.clone()), side="output"),
        ):
            score(tiny.vlm, [example])
            with artifact.mounted(tiny.vlm):
                score(tiny.vlm, [example])
        moved[tau] = ((seen[1] - seen[0]).norm() / seen[0].norm()).item()
        assert max(delta.abs().max() for _, delta in artifact.deltas()) > 1e-4
    assert moved[0] < 1e-3
    assert moved[1] > 1e-2


def test_the_hold_term_starts_near_zero_and_grows(tiny: Any) -> None:
    heard_steps = Heard()
    fit(tiny, "hold_weight=1", "push=0", progress=heard_steps)
    assert heard_steps.steps[0]["hold"] < heard_steps.steps[-1]["hold"]


def test_swapping_weights_leaves_a_waiting_graph_intact(tiny: Any) -> None:
    vlm = tiny.fresh()
    name = f"{DOWN.format(0)}.weight"
    weight = dict(vlm.model.named_parameters())[name]
    examples = from_items(tiny.data.forget)
    (wanted,) = torch.autograd.grad(score(vlm, examples).logp.sum(), weight)
    waiting = score(vlm, examples).logp.sum()
    before = weight.detach().clone()
    with torch.no_grad(), _values({name: weight}, {name: torch.zeros_like(weight)}):
        assert score(vlm, examples).logp.sum() != waiting
    assert torch.equal(weight, before)
    (found,) = torch.autograd.grad(waiting, weight)
    torch.testing.assert_close(found, wanted)


def test_the_cost_counts_tracing_covariance_and_reference(tiny: Any) -> None:
    traced, fixed = fit(tiny).cost, fit(tiny, "first_layer=0").cost
    assert fixed.forwards == 3 * (8 + 4) + 12  # 8 retain rows, 4 of them in two wordings
    assert traced.forwards == fixed.forwards + 4 * 12
    assert traced.backwards == 24


def test_what_it_cannot_work_on_is_said(tiny: Any) -> None:
    with pytest.raises(UserError, match=r"2 feed-forward layers from layer 1 on; tiny0? has 2"):
        fit(tiny, "first_layer=1")
    with pytest.raises(UserError, match="lora"):
        fit(tiny, 'training.lora={"rank": 2, "alpha": 2}')
    odd = tiny.fresh()
    for layer in odd.model.model.language_model.layers:
        layer.mlp = torch.nn.Sequential(torch.nn.Linear(32, 32))
    with pytest.raises(UserError, match=r"feed-forward blocks \(gate_proj.*found linear layers called 0, k_proj"):
        fit(tiny, vlm=odd)
