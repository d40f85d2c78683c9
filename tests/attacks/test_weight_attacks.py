"""Attacks on weights: what they change, and that the model is itself again afterwards."""

from typing import Any

import pytest
import torch

from smllmun_bench.attacks.noise import noised
from smllmun_bench.attacks.prune import pruned
from smllmun_bench.attacks.quantise import quantise, rounded
from smllmun_bench.attacks.shared.relearning import relearn
from smllmun_bench.models.change import Artifact
from smllmun_bench.models.vlm import Query
from smllmun_bench.training.config import TrainingConfig


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rounding_leaves_a_grid_and_is_idempotent(bits: int) -> None:
    weight = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    once = rounded(weight, bits)
    assert all(len(row.unique()) <= 2**bits - 1 for row in once)
    assert (once - weight).abs().amax() <= weight.abs().amax() / (2 ** (bits - 1) - 1) / 2 + 1e-6
    torch.testing.assert_close(rounded(once, bits), once)


def test_one_bit_is_no_grid() -> None:
    with pytest.raises(ValueError, match="1 bits"):
        rounded(torch.ones(1, 1), 1)


def test_a_row_of_zeros_stays() -> None:
    assert rounded(torch.zeros(2, 3), 4).eq(0).all()


def test_quantising_goes_on_top_of_an_artifact(tiny: Any) -> None:
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    change = Artifact("delta", {name: torch.full_like(tiny.vlm.model.get_parameter(name), 0.5)})
    with change.mounted(tiny.vlm):
        expected = rounded(tiny.vlm.model.get_parameter(name).float(), 4)
        with quantise(tiny.vlm, 4).mounted(tiny.vlm):
            torch.testing.assert_close(tiny.vlm.model.get_parameter(name), expected)


def test_relearning_teaches_and_is_undone(tiny: Any) -> None:
    facts = [item for item in tiny.data.forget if not item.images]
    pairs = [(Query(item.question), item.answer) for item in facts]
    before = sum(map(sum, tiny.vlm.answer_logprobs(pairs)))
    change = relearn(tiny.vlm, facts, TrainingConfig(steps=15, batch_size=4, lr=1e-2))
    with change.mounted(tiny.vlm):
        assert sum(map(sum, tiny.vlm.answer_logprobs(pairs))) > before + 1
    assert sum(map(sum, tiny.vlm.answer_logprobs(pairs))) == before


def test_pruning_leaves_out_the_smallest() -> None:
    weight = torch.tensor([[3.0, -1.0], [0.5, -4.0], [2.0, 1.5]])
    torch.testing.assert_close(
        pruned(weight, 0.34),
        torch.tensor([[3.0, -1.0], [0.0, -4.0], [2.0, 1.5]]).mul(torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])),
    )  # floor(.34 * 6) = 2 entries: .5 and -1
    assert pruned(weight, 0).equal(weight)
    assert pruned(torch.ones(4, 4), 0.25).sum() == 12  # ties: exactly a quarter
    with pytest.raises(ValueError, match="not 1"):
        pruned(weight, 1)


def test_noise_is_a_share_of_each_weight_s_own_spread_and_the_same_for_all_models(tiny: Any) -> None:
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    once, again, other = (noised(tiny.vlm, 0.1, seed).tensors[name] for seed in (0, 0, 1))
    assert once.equal(again)
    assert not once.equal(other)
    assert once.std().item() == pytest.approx(0.1 * tiny.vlm.model.get_parameter(name).std().item(), rel=0.1)
    assert not noised(tiny.vlm, 0.0, 0).tensors[name].any()
