"""Saliency selects entries, and only they take the ascent."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.methods.mmunlearner import METHOD, MmunlearnerConfig, saliency, saliency_mask
from smllmun_bench.models.vlm import Query
from smllmun_bench.training.examples import from_items
from smllmun_bench.training.loop import Silent

QUICK = ("training.steps=3", "training.batch_size=4", "training.lr=0.001")


def fit(tiny: Any, *settings: str, data: Any = None) -> Any:
    return METHOD.fit(tiny.vlm, data or tiny.data, apply_overrides(MmunlearnerConfig(), QUICK + settings), Silent())


def test_the_mask_is_where_forgetting_matters_at_least_as_much() -> None:
    forget, preserve = torch.tensor([0.0, 2.0, 1.0, 3.0]), torch.tensor([0.0, 1.0, 2.0, 3.0])
    assert saliency_mask(forget, preserve).tolist() == [True, True, False, True]
    assert saliency_mask(torch.tensor([1e-14]), torch.tensor([1e-13])).tolist() == [False]


def test_saliency_is_the_mean_of_squared_batch_gradients(tiny: Any) -> None:
    name = "model.language_model.layers.1.mlp.down_proj.weight"
    examples = from_items(tiny.data.forget)[:4]
    config = MmunlearnerConfig(saliency_batch=1)
    found, count = saliency(tiny.vlm, [name], examples, config, 0)
    weight = dict(tiny.vlm.model.named_parameters())[name]
    squares = []
    for example in examples:
        scores = tiny.vlm.score_answers([tiny.vlm.encode(Query(example.question, example.images), example.answer)])
        (gradient,) = torch.autograd.grad(-scores.logp.mean(), weight)
        squares.append(gradient.square())
    assert count == 4
    torch.testing.assert_close(found[name], torch.stack(squares).mean(0))


def test_without_a_retain_step_masked_entries_do_not_move(tiny: Any) -> None:
    """Weight decay included: a zero gradient alone would not hold them."""
    artifact = fit(tiny, "retain_weight=0", "training.weight_decay=0.0")
    moved = torch.cat([(delta != 0).flatten() for _, delta in artifact.deltas()]).float().mean().item()
    assert 0.05 < artifact.figures["selected"] < 0.95
    assert moved == pytest.approx(artifact.figures["selected"], abs=0.02)


def test_a_set_against_itself_frees_everything(tiny: Any) -> None:
    same = replace(tiny.data, retain=[item for item in tiny.data.forget if item.images])
    artifact = fit(tiny, "policy=full_entity", data=replace(same, forget=same.retain))
    assert artifact.figures["selected"] == 1.0


def test_ascent_makes_the_pictures_less_likely(tiny: Any) -> None:
    artifact = fit(tiny, "training.steps=10", "retain_weight=0")
    pairs = [(Query(item.question, item.images), item.answer) for item in tiny.data.forget if item.images]
    before = sum(map(sum, tiny.vlm.answer_logprobs(pairs)))
    with artifact.mounted(tiny.vlm):
        assert sum(map(sum, tiny.vlm.answer_logprobs(pairs))) < before - 1


@pytest.mark.parametrize(
    ("mask", "parts"), [("language", {"language"}), ("vision", {"vision"}), ("both", {"language", "vision"})]
)
def test_only_the_chosen_part_moves(tiny: Any, mask: str, parts: set[str]) -> None:
    changed = {name for name, delta in fit(tiny, f"mask={mask}").deltas() if delta.abs().max() > 0}
    found = {"language" if name.startswith("model.language_model") else "vision" for name in changed}
    assert found == parts


def test_the_cost_counts_the_sweeps(tiny: Any) -> None:
    plain, sampled = fit(tiny).cost, fit(tiny, "saliency_rows=2").cost
    assert sampled.backwards == 3 * (4 + 4) + 2 + 2
    assert plain.backwards > sampled.backwards


def test_what_it_cannot_work_on_is_said(tiny: Any) -> None:
    text = replace(tiny.data, forget=[item for item in tiny.data.forget if not item.images])
    with pytest.raises(UserError, match="pictures"):
        fit(tiny, data=text)
    with pytest.raises(UserError, match="lora"):
        fit(tiny, 'training.lora={"rank": 2, "alpha": 2}')
    retain = [item for item in tiny.data.retain if not item.images]
    with pytest.raises(UserError, match="vision"):
        fit(tiny, "mask=vision", data=replace(tiny.data, retain=retain))


def test_a_model_without_a_tower_is_refused_by_name(tiny: Any) -> None:
    blind = tiny.fresh()
    blind.model.model.vision_tower = torch.nn.Identity()
    blind.model.model.multi_modal_projector = torch.nn.Identity()
    config = apply_overrides(MmunlearnerConfig(), (*QUICK, "mask=vision"))
    with pytest.raises(UserError, match=r"vision_tower.*no linear layers"):
        METHOD.fit(blind, tiny.data, config, Silent())
