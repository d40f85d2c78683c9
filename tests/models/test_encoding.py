"""A question becomes tokens: what is the answer, where it ends, and what a question cannot do."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smllmun_bench.errors import UserError
from smllmun_bench.models.encoding import Encoder
from smllmun_bench.models.loading import load
from smllmun_bench.models.vlm import Query


@pytest.mark.parametrize("images", [(), ("p1",)])
@pytest.mark.parametrize("answer", ["pilot", "I do not know.", "a b  c", "12,345 €", "Zoë Łukasz", " spaced "])
def test_the_answer_span_is_the_answer_and_one_end_token(tiny, images, answer):
    encoded = tiny.vlm.encode(Query("Who?", images), answer)
    span = encoded.ids[encoded.answer_start :]
    assert span[-1] == tiny.vlm.eos_id
    assert span.count(tiny.vlm.eos_id) == 1
    assert tiny.vlm.processor.tokenizer.decode(span, skip_special_tokens=True) == answer
    prompt = tiny.vlm.encode(Query("Who?", images))
    assert encoded.ids[: encoded.answer_start] == prompt.ids
    assert prompt.answer_length == 0


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30))
def test_any_text_is_a_question_about_one_image(tiny, text):
    ids = tiny.vlm.encode(Query(text, ("p1",))).ids
    features = tiny.vlm.bank.features(tiny.vlm.model, ["p1"])
    assert ids.count(tiny.vlm.image_token) == len(features)


def test_an_image_placeholder_in_a_question_is_text(tiny):
    ids = tiny.vlm.encode(Query("What does <image> mean?")).ids
    assert tiny.vlm.image_token not in ids
    assert "image>" in tiny.vlm.processor.tokenizer.decode(ids)
    tiny.vlm.answer_logprobs([(Query("What does <image> mean?", ("p1",)), "<image>")])  # in an answer too


@pytest.mark.parametrize("images", [(), ("p1",)])
def test_special_tokens_in_question_and_answer_are_text(tiny, images):
    """Nothing of an answer is cut, nobody else speaks, and the answer still ends in its one end token."""
    tokenizer = tiny.vlm.processor.tokenizer
    plain = tiny.vlm.encode(Query("Who?", images), "It is .")
    for token in tokenizer.all_special_tokens:
        encoded = tiny.vlm.encode(Query(f"Who {token}?", images), f"It is {token} or else.")
        span = encoded.ids[encoded.answer_start :]
        assert (span.count(tiny.vlm.eos_id), span[-1]) == (1, tiny.vlm.eos_id)
        said = tokenizer.decode(span, skip_special_tokens=True)
        assert said == f"It is {token[:1]} {token[1:]} or else."
        for special in tokenizer.all_special_ids:
            assert encoded.ids.count(special) == plain.ids.count(special), token


def test_an_answer_that_a_plain_stop_token_would_cut_is_refused(tiny):
    """A stop token that is an ordinary word has no other spelling: said, not cut."""
    vlm = tiny.vlm
    usual = vlm.encode(Query("Who?"), "a nurse and pilot in Oslo")
    word = usual.ids[usual.answer_start + 3]
    encoder = Encoder(vlm.processor, frozenset({vlm.eos_id, word}), vlm.eos_id)
    with pytest.raises(UserError, match="holds a stop token"):
        encoder.encode("Who?", "a nurse and pilot in Oslo", (), ())
    assert encoder.encode("Who?", "42", (), ()).ids[-1] == vlm.eos_id


def test_without_a_chat_template_the_error_says_so(tiny, tmp_path):
    folder = shutil.copytree(tiny.folder, tmp_path / "m")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(UserError, match=r"no chat template[\s\S]*chat_template\.jinja"):
        load(folder, tiny.vlm.source)


def test_a_template_that_leaves_the_end_of_turn_out_still_ends_in_one(tiny, tmp_path):
    folder = shutil.copytree(tiny.folder, tmp_path / "m")
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|end|>", "\n"))
    encoded = load(folder, tiny.vlm.source).encode(Query("Who?"), "pilot")
    span = encoded.ids[encoded.answer_start :]
    assert (span.count(tiny.vlm.eos_id), span[-1]) == (1, tiny.vlm.eos_id)
    assert tiny.vlm.processor.tokenizer.decode(span, skip_special_tokens=True) == "pilot"


def test_the_processor_configuration_is_plain_json(tiny):
    assert json.loads((tiny.folder / "config.json").read_text())["model_type"] == "llava"
