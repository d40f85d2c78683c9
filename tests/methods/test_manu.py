"""Which neurons are found, and that exactly those are zero afterwards."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.methods.manu import METHOD, ManuConfig
from smllmun_bench.methods.shared.neuron_importance import Statistics, measure, paper_importance, relative, top
from smllmun_bench.models.change import Artifact
from smllmun_bench.training.examples import from_items
from smllmun_bench.training.loop import Silent


def fit(tiny: Any, *settings: str, data: Any = None, vlm: Any = None) -> Artifact:
    config = apply_overrides(ManuConfig(), settings)
    return METHOD.fit(vlm or tiny.vlm, data or tiny.data, config, Silent())


def statistics(*rows: list[float]) -> Statistics:
    found = Statistics.empty(len(rows[0]))
    for row in rows:
        found.add(torch.tensor([row]), 0.1)
    return found


def test_statistics_by_hand() -> None:
    found = statistics([1.0, 0.0, -2.0], [3.0, 0.05, 2.0])
    assert found.mean_absolute().tolist() == pytest.approx([2.0, 0.025, 2.0])
    assert found.mean_square().tolist() == pytest.approx([5.0, 0.00125, 4.0])
    assert found.variance().tolist() == pytest.approx([1.0, 0.000625, 4.0])
    assert found.frequency().tolist() == [1.0, 0.0, 1.0]
    assert statistics([1e9]).mean_absolute().item() == 1000


def test_the_score_of_the_paper_by_hand() -> None:
    """Neuron 0: |3-1|/4 + 0 + √0 + √(|9-1|/10); neuron 1 answers to both alike, and scores its spread alone."""
    picture, text = statistics([3.0, 1.0], [3.0, -1.0]), statistics([1.0, 1.0], [1.0, -1.0])
    found = paper_importance({"a": picture}, {"a": text})["a"]
    assert found.tolist() == pytest.approx([0.5 + 0.8**0.5, 2**0.5], abs=1e-6)


def test_the_score_of_the_code_by_hand() -> None:
    """Twice as active: 2·(2-1) from mean |z| and from √(mean z²); no spread on either side: 2·(0/1e-5 - 1)."""
    found = relative({"a": statistics([2.0, 1.0])}, {"a": statistics([1.0, 1.0])})["a"]
    assert found.tolist() == pytest.approx([2.0, -2.0], abs=1e-4)


def test_the_highest_of_all_layers_together_are_chosen() -> None:
    scores = {"a": torch.tensor([1.0, 9.0, 3.0]), "b": torch.tensor([8.0, 9.0])}
    assert {name: indices.tolist() for name, indices in top(scores, 0.6).items()} == {"a": [1], "b": [0, 1]}
    assert sum(map(len, top(scores, 0.59).values())) == 2


def test_neither_padding_nor_batches_count(tiny: Any) -> None:
    told = [example for example in from_items([*tiny.data.forget, *tiny.data.retain]) if not example.images]
    site = {"model.language_model.layers.1.mlp.down_proj": True}
    one, all_ = (measure(tiny.vlm, site, told, batch=batch, threshold=0.1) for batch in (1, len(told)))
    for name, found in one.items():
        assert found.tokens == all_[name].tokens > 0
        torch.testing.assert_close(found.mean_absolute(), all_[name].mean_absolute(), rtol=1e-4, atol=1e-7)


def test_pruned_neurons_are_zero_through_and_through(tiny: Any) -> None:
    artifact = fit(tiny, "share=0.1")
    neurons = 2 * 64
    assert artifact.figures == {"neurons": neurons, "pruned": int(0.1 * neurons)}
    assert (artifact.cost.backwards, artifact.cost.trainable_params) == (0, 0)
    vlm = tiny.fresh()
    with artifact.mounted(vlm):
        found = 0
        for layer in vlm.model.model.language_model.layers:
            gone = (layer.mlp.gate_proj.weight == 0).all(1)
            assert torch.equal(gone, (layer.mlp.up_proj.weight == 0).all(1))
            assert torch.equal(gone, (layer.mlp.down_proj.weight == 0).all(0))
            found += int(gone.sum())
        assert found == int(0.1 * neurons)


def test_the_form_of_the_code_prunes_rows_of_single_layers(tiny: Any) -> None:
    artifact = fit(tiny, "form=code", "share=0.05")
    rows = 2 * (64 + 64 + 32)
    assert artifact.figures == {"neurons": rows, "pruned": int(0.05 * rows)}
    assert sum(int((delta != 0).all(1).sum()) for _, delta in artifact.deltas()) == int(0.05 * rows)


def test_the_tower_is_pruned_where_asked_with_its_biases(tiny: Any) -> None:
    names = {name for name, _ in fit(tiny, "form=code", "where=vision", "share=0.1").deltas()}
    assert names
    assert all(name.startswith("model.vision_tower") for name in names)
    assert any(name.endswith("bias") for name in names)
    assert tiny.vlm.bank.keep_features
    with pytest.raises(UserError, match="sees no text"):
        fit(tiny, "where=both")


def test_what_it_cannot_work_on_is_said(tiny: Any) -> None:
    seen = replace(tiny.data, forget=[item for item in tiny.data.forget if item.images])
    with pytest.raises(UserError, match="forget rows is a text row"):
        fit(tiny, data=seen)
    odd = tiny.fresh()
    for layer in odd.model.model.language_model.layers:
        layer.mlp.expert = layer.mlp.down_proj
        del layer.mlp.down_proj
    with pytest.raises(UserError, match=r"down_proj or fc2.*model\.language_model.*found.*expert"):
        fit(tiny, vlm=odd)
