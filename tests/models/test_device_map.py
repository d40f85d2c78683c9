"""A model that is spread over devices answers as a plain one, and is never changed where a change would be lost."""

from typing import Any

import pytest
import torch

from smllmun_bench.errors import UserError
from smllmun_bench.models.change import Artifact
from smllmun_bench.models.loading import load
from smllmun_bench.models.vlm import Query
from smllmun_bench.training.config import TrainingConfig
from smllmun_bench.training.examples import from_items
from smllmun_bench.training.loop import Batch, Terms, train

LAYER = "model.language_model.layers.1.mlp.up_proj.weight"
SPLIT = {
    "model.vision_tower": "cpu",
    "model.multi_modal_projector": "cpu",
    "model.language_model.embed_tokens": "cpu",
    "model.language_model.layers.0": "cpu",
    "model.language_model.layers.1": "disk",
    "model.language_model.norm": "cpu",
    "model.language_model.rotary_emb": "cpu",
    "lm_head": "cpu",
}


def likely(batch: Batch) -> Terms:
    return {name: -part.scores.logp.mean() for name, part in batch.items()}


@pytest.mark.parametrize("where", ["auto", SPLIT], ids=["auto", "disk"])
def test_a_spread_model_answers_as_a_plain_one(tiny: Any, mixed: list[tuple[Query, str]], where: Any) -> None:
    vlm, queries = load(tiny.folder, tiny.source, device_map=where), [query for query, _ in mixed]
    away = [name for name, parameter in vlm.model.named_parameters() if parameter.is_meta]
    assert bool(away) == (where != "auto")
    assert vlm.device.type == "cpu"
    assert vlm.generate(queries, max_new_tokens=5) == tiny.vlm.generate(queries, max_new_tokens=5)
    for row, plain in zip(vlm.answer_logprobs(mixed), tiny.vlm.answer_logprobs(mixed), strict=True):
        assert row == pytest.approx(plain, abs=1e-5)


def test_weights_that_are_away_are_not_changed_in_silence(tiny: Any) -> None:
    vlm = load(tiny.folder, tiny.source, device_map=SPLIT)
    shape = tiny.vlm.model.get_parameter(LAYER).shape
    change = Artifact("delta", {LAYER: torch.ones(shape)})
    with pytest.raises(UserError, match="moved out of the memory"), change.mounted(vlm):
        raise AssertionError("mounted")
    there = LAYER.replace("layers.1", "layers.0")
    before = vlm.model.get_parameter(there).detach().clone()
    with Artifact("delta", {there: torch.ones(shape)}).mounted(vlm):
        assert torch.equal(vlm.model.get_parameter(there), before + 1)
    assert torch.equal(vlm.model.get_parameter(there), before)


@pytest.mark.parametrize("lora", ["null", "some"])
def test_training_wants_all_weights_in_memory(tiny: Any, lora: str) -> None:
    config = TrainingConfig(steps=1, batch_size=2, **({"lora": None} if lora == "null" else {}))
    rows = {"forget": from_items(tiny.data.forget)}
    with pytest.raises(UserError, match=r"training changes .* parameters that --device-map"):
        train(load(tiny.folder, tiny.source, device_map=SPLIT), rows, likely, config, seed=0)
    spread = train(load(tiny.folder, tiny.source, device_map="auto"), rows, likely, config, seed=0).deltas()
    plain = train(tiny.vlm, rows, likely, config, seed=0).deltas()
    for name, delta in plain.items():
        torch.testing.assert_close(spread[name], delta, atol=1e-6, rtol=0)
