"""Streams: every example once an epoch, in the shares that were asked for, the same for the same seed."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smllmun_bench.training.examples import Example, Stream, from_items, refusing


def _examples(images: int, each: int, text: int) -> list[Example]:
    seen = [Example(f"i{i}/{n}", f"q{n}", "a", (f"p{i}",)) for i in range(images) for n in range(each)]
    return seen + [Example(f"t{n}", f"q{n}", "a") for n in range(text)]


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.integers(0, 9))
def test_each_epoch_of_images_hands_out_every_example_once(images, each, per_image, seed):
    examples = _examples(images, each, 0)
    stream = Stream(examples, len(examples), seed=seed, per_image=per_image)
    for _ in range(3):
        assert sorted(e.key for e in stream.take()) == sorted(e.key for e in examples)


def test_each_epoch_of_both_kinds_hands_out_every_example_once():
    examples = _examples(4, 3, 6)
    stream = Stream(examples, 6, seed=1, per_image=2, text_share=0.5)  # 3 of each: 4 and 2 batches are an epoch
    batches = [stream.take() for _ in range(4)]
    assert Counter(e.key for batch in batches for e in batch if e.images) == Counter(
        {e.key: 1 for e in examples if e.images}
    )
    assert Counter(e.key for batch in batches for e in batch if not e.images) == Counter(
        {e.key: 2 for e in examples if not e.images}
    )


@pytest.mark.parametrize(("share", "text"), [(0.0, 0), (0.25, 2), (0.3, 2), (0.5, 4), (1.0, 8)])
def test_the_text_share_holds_in_every_batch(share, text):
    stream = Stream(_examples(3, 4, 5), 8, seed=0, text_share=share)
    for _ in range(5):
        assert sum(not example.images for example in stream.take()) == text


def test_text_comes_first_where_that_is_asked():
    stream = Stream(_examples(3, 4, 5), 8, seed=0, text_share=0.25, text_first=2)
    assert [sum(not example.images for example in stream.take()) for _ in range(4)] == [8, 8, 2, 2]


def test_a_stream_of_one_kind_ignores_the_share():
    assert all(not e.images for e in Stream(_examples(0, 0, 5), 4, seed=0, text_share=0.0).take())
    assert all(e.images for e in Stream(_examples(2, 3, 0), 4, seed=0, text_share=1.0, text_first=1).take())


def test_questions_on_one_image_come_together():
    stream = Stream(_examples(5, 4, 0), 20, seed=3, per_image=4)
    images = [example.images for example in stream.take()]
    assert all(len(set(images[at : at + 4])) == 1 for at in range(0, 20, 4))
    assert images[0] != images[4]


def test_the_seed_decides_the_order():
    def order(seed: int) -> list[str]:
        stream = Stream(_examples(4, 4, 4), 8, seed=seed, per_image=2, text_share=0.25)
        return [example.key for _ in range(6) for example in stream.take()]

    assert order(0) == order(0)
    assert order(0) != order(1)


def test_nothing_to_draw_from_is_refused():
    with pytest.raises(ValueError, match="at least one example"):
        Stream([], 4, seed=0)


def test_wordings_become_examples_of_one_item(tiny):
    seen, told = tiny.data.forget[0], replace(tiny.data.forget[1], paraphrases=())
    made = from_items([seen, told], paraphrases=3)
    assert [(e.key, e.question) for e in made] == [
        (seen.item_id, seen.question),
        (seen.item_id, seen.paraphrases[0]),
        (told.item_id, told.question),
    ]
    assert len(from_items([seen, told])) == 2


def test_a_refusal_replaces_the_answer_and_nothing_else():
    examples = _examples(3, 3, 3)
    pool = ("no", "unknown", "never heard")
    refused = refusing(examples, pool, 5)
    assert refused == refusing(examples, pool, 5) != refusing(examples, pool, 6)
    assert [(e.key, e.question, e.images) for e in refused] == [(e.key, e.question, e.images) for e in examples]
    assert {e.answer for e in refused} == set(pool)


@pytest.mark.parametrize(("size", "share"), [(1, 0.3), (1, 0.9), (2, 0.2)])
def test_a_small_batch_starves_neither_kind(size: int, share: float) -> None:
    examples = [Example(f"t{n}", "q", "a") for n in range(5)] + [
        Example(f"i{n}", "q", "a", (f"p{n}",)) for n in range(5)
    ]
    stream = Stream(examples, size, seed=0, text_share=share)
    taken = [example for _ in range(100) for example in stream.take()]
    assert sum(not example.images for example in taken) == pytest.approx(100 * size * share, abs=1)
