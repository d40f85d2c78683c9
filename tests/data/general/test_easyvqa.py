"""The packaged easy-VQA as items."""

from collections import Counter

import pytest

from smllmun_bench.data.general.easyvqa import EasyVqa
from smllmun_bench.data.source import Split
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Kind, Role


@pytest.fixture(scope="module")
def easy() -> EasyVqa:
    return EasyVqa(sample=130)


def test_the_package_is_whole(easy):
    assert (len(easy.train_items()), len(easy.test_items())) == (38_575, 9_673)


def test_items_are_general_and_typed_by_their_answer(easy):
    for item in easy.test_items():
        assert item.role is Role.GENERAL
        assert (item.kind is Kind.YESNO) == (item.answer in ("yes", "no"))
    assert {item.accepted for item in easy.test_items() if item.answer == "gray"} == {("grey",)}


@pytest.mark.parametrize("n", [1, 12, 13, 130, 9_673])
def test_a_sample_has_the_size_asked_for(easy, n):
    assert len({item.item_id for item in easy.test_sample(n)}) == n


def test_a_sample_has_each_answer_in_its_share(easy):
    sample, everything = easy.test_sample(500), easy.test_items()
    taken, there = Counter(i.answer for i in sample), Counter(i.answer for i in everything)
    assert set(taken) == set(there)
    for answer, count in there.items():
        assert taken[answer] == pytest.approx(500 * count / len(everything), abs=1.5)


def test_even_a_small_sample_has_every_answer(easy):
    assert len({item.answer for item in easy.test_sample(13)}) == 13


def test_the_sample_is_fixed(easy):
    assert easy.items(Split.EVALUATE) == easy.test_sample(130, seed=0) != easy.test_sample(130, seed=1)
    assert {item.item_id for item in easy.test_sample(130)} <= {item.item_id for item in easy.test_items()}


def test_images_open_and_belong_to_the_test_split(easy):
    (ref,) = easy.items(Split.EVALUATE)[0].images
    assert ref.startswith("easyvqa/test/")
    assert (easy.image(ref).size, easy.image(ref).mode) == ((64, 64), "RGB")


@pytest.mark.parametrize("ref", ["easyvqa/test/999999", "easyvqa/valid/1", "easyvqa/test/../1", "p0000/00"])
def test_an_unknown_image_is_a_readable_error(easy, ref):
    with pytest.raises(UserError, match="there is no image"):
        easy.image(ref)


@pytest.mark.parametrize("n", [0, 9_674])
def test_an_impossible_sample_is_refused(easy, n):
    with pytest.raises(UserError, match=f"cannot take {n}"):
        easy.test_sample(n)


def test_there_is_nothing_to_forget_here(easy):
    with pytest.raises(UserError, match="no split 'forget_train'"):
        easy.items(Split.FORGET_TRAIN)


def test_digest_follows_the_sample(easy):
    assert easy.digest == EasyVqa(sample=130).digest != EasyVqa(sample=131).digest
