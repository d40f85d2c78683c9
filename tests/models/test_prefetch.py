"""Images are prefetched: in bounded number, with the results and errors of doing it when they are needed."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from smllmun_bench.errors import UserError
from smllmun_bench.models import vision
from smllmun_bench.models.loading import load
from smllmun_bench.models.prefetch import Prefetcher
from smllmun_bench.models.vlm import Query, Vlm
from smllmun_bench.training import losses
from smllmun_bench.training.config import TrainingConfig
from smllmun_bench.training.examples import from_items
from smllmun_bench.training.loop import train

CPU = torch.device("cpu")


@settings(max_examples=40)
@given(
    announced=st.lists(st.integers(0, 9), max_size=20),
    taken=st.lists(st.integers(0, 9), max_size=20),
    room=st.integers(1, 4),
)
def test_whatever_is_announced_and_taken_the_results_are_right_and_few_are_held(
    announced: list[int], taken: list[int], room: int
) -> None:
    begun: list[int] = []

    def work(key: int) -> int:
        begun.append(key)
        return key * key

    with Prefetcher(work, workers=2, room=room) as prefetcher:
        prefetcher.expect(announced)
        for key in taken:
            assert prefetcher.take(key) == key * key
    assert len(begun) <= len(taken) + room


def test_work_is_done_before_it_is_asked_for_and_no_more_than_there_is_room_for() -> None:
    done = [threading.Event() for _ in range(5)]
    with Prefetcher(lambda key: done[key].set(), workers=2, room=3) as prefetcher:
        prefetcher.expect(range(5))
        assert all(done[key].wait(10) for key in range(3))
        assert not done[3].is_set()
        prefetcher.take(0)
        assert done[3].wait(10)
        assert not done[4].is_set()


class _Broken:
    """Pictures of which one cannot be read."""

    def __init__(self, source: Any) -> None:
        self.source, self.threads = source, set()

    def image(self, ref: str) -> Image.Image:
        if threading.current_thread() is not threading.main_thread():
            self.threads.add(threading.current_thread().name)
            if ref == "p3":
                raise UserError("the image is broken", where=ref)
        image: Image.Image = self.source.image(ref)
        return image


@pytest.fixture
def prefetched(tiny: Any) -> Callable[[], Vlm]:
    def make() -> Vlm:
        vlm = load(tiny.folder, _Broken(tiny.source))
        vlm.bank.threads = 2
        return vlm

    return make


def test_answers_and_losses_are_the_same(tiny: Any, prefetched: Callable[[], Vlm], mixed: Any) -> None:
    pairs = [pair for pair in mixed if pair[0].images != ("p3",)]
    usual, prefetching = tiny.fresh(), prefetched()
    assert prefetching.answer_logprobs(pairs) == usual.answer_logprobs(pairs)
    assert prefetching.source.threads
    queries = [query for query, _ in pairs]
    assert prefetched().generate(queries, max_new_tokens=3, batch_size=2) == usual.generate(
        queries, max_new_tokens=3, batch_size=2
    )
    config = TrainingConfig(steps=3, batch_size=4, lora=None, train="all")
    streams = {"retain": from_items([i for i in (*tiny.data.forget, *tiny.data.retain) if i.images != ("p3",)])}
    histories = [
        train(vlm, streams, lambda batch: {"x": losses.cross_entropy(batch["retain"].scores.logp)}, config, seed=1)
        for vlm in (tiny.fresh(), prefetched())
    ]
    assert histories[0].history == histories[1].history


def test_an_image_that_cannot_be_read_is_named_where_it_is_needed(prefetched: Callable[[], Vlm]) -> None:
    with pytest.raises(UserError, match="p3"):
        prefetched().answer_logprobs([(Query("Who?", (f"p{n}",)), "x") for n in range(5)])


def test_nothing_is_done_ahead_on_the_cpu_unless_asked(tiny: Any) -> None:
    vlm = load(tiny.folder, _Broken(tiny.source))
    vlm.answer_logprobs([(Query("Who?", ("p1",)), "x")])
    assert not vlm.source.threads


def test_what_does_not_fit_is_not_kept_and_the_same(tiny: Any, mixed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = tiny.fresh().answer_logprobs(mixed)
    for name in ("PIXELS_KEPT", "FEATURES_KEPT"):
        monkeypatch.setattr(vision, name, 0)
    vlm = tiny.fresh()
    assert vlm.answer_logprobs(mixed) == expected
    assert not vlm.bank._pixels
    assert not vlm.bank._features


def test_a_picture_that_the_processor_refuses_is_named(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = tiny.fresh()

    def refuse(self: Any, *args: Any, **more: Any) -> Any:
        raise ValueError("too thin")

    monkeypatch.setattr(type(vlm.processor), "__call__", refuse)
    with pytest.raises(UserError, match=r"refuses an image \(40 x 32\): too thin[\s\S]*p2"):
        vlm.bank.pixels(["p2"], CPU, torch.float32)
