"""Which examples come when."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smllmun_bench.schema import Item, Kind, Modality, Role
from smllmun_bench.training.examples import Example, Stream, from_items, refusing

TEXT = [Example(f"t{n}", f"text {n}", "yes") for n in range(5)]
IMAGE = [Example(f"i{n}", f"question {n}", "yes", (f"image {n // 4}",)) for n in range(12)]


@given(st.integers(1, 7), st.integers(0, 99), st.integers(1, 5))
def test_an_epoch_hands_out_every_example_once(size: int, seed: int, per_image: int) -> None:
    stream = Stream(IMAGE, size, seed=seed, per_image=per_image)
    taken = [example for _ in range(3 * len(IMAGE)) for example in stream.take()]
    for at in range(0, len(taken) - len(IMAGE) + 1, len(IMAGE)):
        assert Counter(taken[at : at + len(IMAGE)]) == Counter(IMAGE)


@pytest.mark.parametrize(("share", "texts"), [(0.0, 0), (0.3, 3), (0.5, 5), (1.0, 10)])
def test_the_share_of_text_is_kept_in_every_batch(share: float, texts: int) -> None:
    stream = Stream([*TEXT, *IMAGE], 10, seed=0, text_share=share)
    for _ in range(9):
        batch = stream.take()
        assert len(batch) == 10
        assert sum(not example.images for example in batch) == texts


@pytest.mark.parametrize("examples", [TEXT, IMAGE])
def test_a_stream_of_one_kind_has_full_batches(examples: list[Example]) -> None:
    stream = Stream(examples, 4, seed=0, text_share=0.3)
    assert [len(stream.take()) for _ in range(5)] == [4] * 5


def test_questions_on_one_image_come_together() -> None:
    stream = Stream(IMAGE, 4, seed=1, per_image=4)
    assert all(len({example.images for example in stream.take()}) == 1 for _ in range(9))


def test_the_seed_decides() -> None:
    def first(seed: int) -> list[Example]:
        stream = Stream([*TEXT, *IMAGE], 8, seed=seed, per_image=2, text_share=0.5)
        return [example for _ in range(6) for example in stream.take()]

    random.seed(1)
    once = first(0)
    random.seed(2)  # the global generator has no say
    assert first(0) == once
    assert first(1) != once


def test_an_empty_stream_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Stream([], 4, seed=0)


def item(number: int) -> Item:
    return Item(f"id{number}", "b", "e", Role.FORGET, Modality.TEXT, Kind.OPEN, "q", "a", paraphrases=("q1", "q2"))


@pytest.mark.parametrize(("wordings", "questions"), [(0, ["q"]), (1, ["q", "q1"]), (9, ["q", "q1", "q2"])])
def test_other_wordings_become_examples_of_their_own(wordings: int, questions: list[str]) -> None:
    examples = from_items([item(0)], paraphrases=wordings)
    assert [example.question for example in examples] == questions
    assert {(example.key, example.answer) for example in examples} == {("id0", "a")}


def test_refusals_are_drawn_once_and_keep_the_question() -> None:
    pool = [f"no {n}" for n in range(50)]
    drawn = refusing(IMAGE, pool, seed=4)
    assert [(e.key, e.question, e.images) for e in drawn] == [(e.key, e.question, e.images) for e in IMAGE]
    assert {e.answer for e in drawn} <= set(pool)
    assert drawn == refusing(IMAGE, pool, seed=4)
    assert drawn != refusing(IMAGE, pool, seed=5)
