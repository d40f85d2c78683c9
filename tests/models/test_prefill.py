"""An answer that is begun for the model: it goes on from there, and is scored from there."""

from typing import Any

import pytest
import torch

from smllmun_bench.models.answering import Query

BEGUN = "He lives in"


@pytest.mark.parametrize("images", [(), ("p1",)], ids=["text", "image"])
def test_what_follows_is_scored_as_the_end_of_the_whole_answer(tiny: Any, images: tuple[str, ...]) -> None:
    question = "Where does the person live?"
    whole, rest = tiny.vlm.answer_logprobs(
        [(Query(question, images), f"{BEGUN} Oslo now"), (Query(question, images, BEGUN), "Oslo now")]
    )
    assert 0 < len(rest) < len(whole)
    assert rest == pytest.approx(whole[-len(rest) :], abs=1e-5)


def test_the_prompt_ends_in_the_beginning_of_the_answer(tiny: Any) -> None:
    query = Query("Where does the person live?", ("p1",), BEGUN)
    encoded = tiny.vlm.encode(query)
    plain = tiny.vlm.encode(Query(query.question, query.images))
    assert encoded.ids[: len(plain.ids)] == plain.ids
    said = tiny.vlm.processor.tokenizer.decode(encoded.ids[len(plain.ids) :])
    assert said.strip() == BEGUN
    assert encoded.answer_length == 0


def test_generation_goes_on_greedily_from_there(tiny: Any) -> None:
    """The first new token is the likeliest one after the prefill, by the model's own forward pass."""
    query = Query("Where does the person live?", ("p1",), BEGUN)
    (generation,) = tiny.vlm.generate([query], max_new_tokens=1)
    ids = torch.tensor([tiny.vlm.encode(query).ids])
    everything = torch.ones_like(ids, dtype=torch.bool)
    with torch.inference_mode():
        inputs = tiny.vlm._inputs(ids, (query.images,), everything, ~everything)
        likeliest = int(tiny.vlm.model(**inputs, attention_mask=everything.long()).logits[0, -1].argmax())
    assert generation.text == tiny.vlm.processor.tokenizer.decode([likeliest], skip_special_tokens=True).strip()
