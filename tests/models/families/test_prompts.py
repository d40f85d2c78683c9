"""Prompts are written without pixels; the ids are those that the family's own processor gives for whole pictures."""

from itertools import product
from typing import Any

import pytest
from PIL import Image

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # PaliGemma's processor

SIZES = [(), ((20, 33),), ((64, 16),), ((15, 90),), ((200, 150),), ((20, 33), (31, 18)), ((64, 64), (64, 64))]


def usual(vlm: Any, question: str, answer: str | None, sizes: tuple[tuple[int, int], ...]) -> list[int]:
    """Ids of a conversation about blank pictures of these sizes, by the processor alone."""
    pictures = [Image.new("RGB", size) for size in sizes]
    if vlm.family.prompt == "suffix":
        text = [vlm.processor.image_token * len(sizes) + question]
        suffix = {} if answer is None else {"suffix": [answer]}
        return [int(token) for token in vlm.processor(images=[pictures], text=text, **suffix)["input_ids"][0]]
    content = [{"type": "image", "image": picture} for picture in pictures] + [{"type": "text", "text": question}]
    talk = [{"role": "user", "content": content}]
    if answer is not None:
        talk.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    ids = vlm.processor.apply_chat_template(
        talk, add_generation_prompt=answer is None, tokenize=True, return_dict=True
    )["input_ids"]
    return [int(token) for token in (ids[0] if isinstance(ids[0], list) else ids)]


def test_ids_are_those_of_the_processor(vlm: Any) -> None:
    for sizes, question in product(SIZES, ("Who is shown here?", "Zoë 12,345 €\n\nand more")):
        if vlm.family.prompt == "suffix" and not sizes:
            continue  # that processor takes no question without an image
        refs = tuple(f"p{number}" for number in range(len(sizes)))
        assert list(vlm.encoder.encode(question, None, refs, sizes).ids) == usual(vlm, question, None, sizes)
        whole = vlm.encoder.encode(question, "a nurse", refs, sizes)
        expected = usual(vlm, question, "a nurse", sizes)
        last = [token for token in expected[whole.answer_start :] if token in vlm.stop_ids][:1] or [vlm.eos_id]
        assert list(whole.ids) == [*expected[: len(whole.ids) - 1], *last]


def test_the_image_processor_is_asked_once_for_each_size(vlm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    kind = type(vlm.processor.image_processor)
    real = kind.__call__
    monkeypatch.setattr(
        kind, "__call__", lambda self, images, **more: asked.append(images) or real(self, images, **more)
    )
    for number in range(3):
        for size in ((37, 41), (41, 37)):
            vlm.encoder.encode(f"Question {number}?", "an answer", ("p1",), (size,))
    assert len(asked) == 2


def test_what_is_written_for_images_is_asked_of_the_processor_only_where_it_tells(vlm: Any) -> None:
    """Which families take the short way; the others have the same ids by the processor as a whole."""
    sizes = ((20, 33),)
    for answer in (None, "a nurse"):
        vlm.encoder.encode("Is it short?", answer, ("p1",), sizes)
    used = vlm.encoder._by_text
    assert (bool(used) and all(used.values())) is (vlm.family.name not in ("Idefics2", "PaliGemma", "Llama-3.2-Vision"))


def test_a_video_placeholder_that_somebody_writes_is_text(vlm: Any) -> None:
    token = getattr(vlm.processor, "video_token", None) or "<video>"
    for answer in (None, token):
        ids = vlm.encoder.encode(f"What is {token}?", answer, ("p1",), ((20, 33),)).ids
        assert vlm.processor.tokenizer.convert_tokens_to_ids(token) not in set(ids) - {
            vlm.processor.tokenizer.unk_token_id
        }
