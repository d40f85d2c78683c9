"""States of forget answers move to one vector, those of retain answers stay, and three matrices do it."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from smllmun_bench.errors import UserError
from smllmun_bench.methods.rmu import RmuConfig, direction
from smllmun_bench.methods.shared.answer_states import answer_states
from smllmun_bench.models.parts import decoder_layers
from smllmun_bench.models.vlm import Query
from smllmun_bench.training.config import TrainingConfig

LAST = ("layer=1", "updated=1")


def test_the_retain_term_starts_at_nothing_and_the_forget_term_falls(fit: Any) -> None:
    fitted = fit("rmu", "training.steps=12", *LAST)
    assert fitted.first["retain"] == pytest.approx(0, abs=1e-8)
    assert fitted.steps[-1]["retain"] > 1e-8
    assert fitted.steps[-1]["forget"] < 0.9 * fitted.first["forget"]


@pytest.mark.parametrize(("settings", "blocks"), [(LAST, {1}), (("layer=1",), {0, 1}), (("layer=0", "updated=3"), {0})])
def test_only_the_down_projections_of_the_listed_blocks_change(fit: Any, settings: Any, blocks: set[int]) -> None:
    changed = {name for name, delta in fit("rmu", *settings).artifact.deltas() if delta.abs().max() > 0}
    assert changed == {f"model.language_model.layers.{number}.mlp.down_proj.weight" for number in blocks}


def test_c_is_relative_to_the_model_or_given(fit: Any) -> None:
    relative, given = (fit("rmu", *LAST, setting).artifact.figures for setting in ("scale=2", "coefficient=6.5"))
    assert relative["coefficient"] == pytest.approx(2 * relative["median_norm"])
    assert given["coefficient"] == 6.5


def test_u_is_a_positive_unit_vector_of_its_seed() -> None:
    u = direction(64, seed=3)
    assert u.norm().item() == pytest.approx(1)
    assert u.min() >= 0
    assert torch.equal(u, direction(64, seed=3))
    assert not torch.equal(u, direction(64, seed=4))


def test_states_are_those_of_the_answer_tokens_themselves(tiny: Any) -> None:
    item = next(item for item in tiny.data.forget if not item.images)
    encoded = tiny.vlm.encode(Query(item.question), item.answer)
    with torch.no_grad(), answer_states(tiny.vlm, decoder_layers(tiny.vlm, "rmu")[0]) as heard:
        tiny.vlm.score_answers([encoded])
        caught = heard.take()
        plain = tiny.vlm.model(torch.tensor([encoded.ids]), output_hidden_states=True).hidden_states[1]
    torch.testing.assert_close(caught, plain[0, encoded.answer_start :], atol=1e-5, rtol=1e-4)


def test_packed_with_others_they_are_the_same_and_in_the_order_of_the_scores(tiny: Any, mixed: Any) -> None:
    encoded = [tiny.vlm.encode(query, answer) for query, answer in mixed]
    with torch.no_grad(), answer_states(tiny.vlm, decoder_layers(tiny.vlm, "rmu")[0]) as heard:
        together = tiny.vlm.score_answers(encoded)
        packed = heard.take()
        for index, one in enumerate(encoded):
            tiny.vlm.score_answers([one])
            torch.testing.assert_close(packed[together.owner == index], heard.take(), atol=1e-4, rtol=1e-3)


def test_a_block_that_is_not_there_is_one_readable_error(fit: Any) -> None:
    with pytest.raises(UserError, match=r"block 7, and the language model has 2"):
        fit("rmu", "layer=7")


def test_adapters_are_refused() -> None:
    with pytest.raises(ValidationError, match="lora: null"):
        RmuConfig(training=TrainingConfig())
