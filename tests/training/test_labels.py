"""What a loss is taken over: answers, or all text after the picture."""

from typing import Any

import pytest
import torch

from smllmun_bench import methods
from smllmun_bench.config import apply_overrides
from smllmun_bench.models.answering import Query
from smllmun_bench.training.config import TrainingConfig

QUICK = ("training.steps=2", "training.batch_size=4", "training.lr=0.01", "training.labels=all")


@pytest.mark.parametrize("images", [(), ("p1",)], ids=["text", "image"])
def test_all_text_is_what_the_models_own_loss_takes(tiny: Any, images: tuple[str, ...]) -> None:
    """transformers' `labels` with -100 on the picture, on what is before it and on the first token after it."""
    vlm, query, answer = tiny.vlm, Query("Where does Ann live?", images), "in Oslo"
    with vlm.labelled("all"), torch.no_grad():
        ours = -vlm.score_pairs([(query, answer)]).logp.mean()
    ids = torch.tensor([vlm.encode(query, answer).ids])
    first = int((ids[0] == vlm.image_token).nonzero()[-1]) + 1 if images else 0
    labels = ids.clone()
    labels[:, : first + 1] = -100
    everything = torch.ones_like(ids, dtype=torch.bool)
    with torch.no_grad():
        inputs = vlm._inputs(ids, (query.images,) if images else (), everything, ~everything)
        theirs = vlm.model(**inputs, attention_mask=everything.long(), labels=labels).loss
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-4)


def test_inside_alone_and_only_where_there_is_an_answer(tiny: Any) -> None:
    query = Query("Where does Ann live?", ("p1",))
    plain = tiny.vlm.encode(query, "in Oslo")
    with tiny.vlm.labelled("all"):
        assert tiny.vlm.encode(query, "in Oslo").answer_start < plain.answer_start
        assert tiny.vlm.encode(query) == tiny.vlm.encode(query)
        assert tiny.vlm.encode(query).answer_length == 0
    assert tiny.vlm.encode(query, "in Oslo") == plain


@pytest.mark.parametrize("name", ["ga", "grad-diff", "npo", "kl", "undial", "retain-ft", "mmunlearner"])
def test_methods_train_on_all_text(name: str, tiny: Any) -> None:
    """Everything that is held against the loss is taken over the same tokens, or shapes would not fit."""
    method = methods.get(name)
    whole = ("training.lora=null",) if name == "mmunlearner" else ()
    config = apply_overrides(method.config(), (*QUICK, *whole))
    with tiny.vlm.labelled("all"):
        every = method.fit(tiny.vlm, tiny.data, config, None)
    alone = method.fit(tiny.vlm, tiny.data, apply_overrides(config, ["training.labels=answer"]), None)
    assert every.digest() != alone.digest()


def test_settings_that_do_not_use_it_keep_their_keys() -> None:
    assert "labels" not in TrainingConfig().model_dump(mode="json")
    assert "order" not in methods.get("grad-diff").config().model_dump(mode="json")


def test_ascent_comes_first_and_descent_afterwards(tiny: Any) -> None:
    class Heard:
        steps: list[set[str]] = []  # noqa: RUF012

        def step(self, done: int, total: int, figures: Any) -> None:
            self.steps.append(set(figures))

    method, heard = methods.get("grad-diff"), Heard()
    config = apply_overrides(method.config(), ["training.steps=5", "training.batch_size=4", "order=ascent_first"])
    method.fit(tiny.vlm, tiny.data, config, heard)
    assert heard.steps == [{"forget"}] * 3 + [{"retain"}] * 2
