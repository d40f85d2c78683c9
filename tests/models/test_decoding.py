"""Sharing an image and leaving the batch change how much is computed, never what is said."""

from typing import Any

import pytest
import torch

from smllmun_bench.models.decoding import Stop, decode
from smllmun_bench.models.encoding import Encoded
from smllmun_bench.models.packing import prefix_length
from smllmun_bench.models.vlm import Query, Vlm


def test_the_prefix_ends_with_the_image() -> None:
    assert prefix_length(Encoded((1, 9, 9, 2, 9, 3, 4), 7, ("a", "b")), 9) == 5
    assert prefix_length(Encoded((1, 2, 3), 3, ()), 9) == 0


def _queries() -> list[Query]:
    asked = ["Who is shown?", "What is the job of the person in the picture?", "Who?", "Where is it, and who?"]
    return [Query(text, (ref,)) for ref in ("p1", "p2") for text in asked] + [Query(text) for text in asked]


def test_an_image_goes_through_the_decoder_once(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[tuple[int, int]] = []
    forward = tiny.vlm.model.model.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        widths.append(tuple(kwargs["inputs_embeds"].shape[:2]))
        return forward(*args, **kwargs)

    monkeypatch.setattr(tiny.vlm.model.model, "forward", counted)
    tiny.vlm.generate(_queries(), max_new_tokens=1)
    images, questions = widths
    assert images == (2, prefix_length(tiny.vlm.encode(_queries()[0]), tiny.vlm.image_token))  # two images, not eight
    assert questions[0] == len(_queries())


@pytest.fixture
def talkative(tiny: Any) -> Any:
    """A model whose answers end after different numbers of tokens: a word that most of the free ones contain, and not
    all, becomes the end of an answer."""
    vlm = tiny.fresh()
    with torch.no_grad():  # an untrained model repeats itself; with larger weights it says more than one thing
        for parameter in vlm.model.model.language_model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())))
    queries = _queries()
    free = vlm._generate_batch([vlm.encode(query) for query in queries], 12)
    holders = {token: sum(token in row for row in free) for row in free for token in row}
    end = next(token for token, count in holders.items() if len(queries) / 2 <= count < len(queries))
    vlm.stop_ids = frozenset({*vlm.stop_ids, end})
    return vlm


@pytest.fixture
def plainly(talkative: Any) -> Any:
    """What it says to each question where nothing is shared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Vlm, "_may_share", lambda self, *rest: False)
        return talkative.generate(_queries(), max_new_tokens=12)


class _Rows:
    """How many rows each forward pass has. More than `most` do not fit into memory; pass `failing` does not either."""

    def __init__(self, vlm: Any, monkeypatch: pytest.MonkeyPatch, most: int = 1000) -> None:
        self.seen: list[int] = []
        self.most, self.failing = most, -1
        self._forward = vlm.model.model.forward
        monkeypatch.setattr(vlm.model.model, "forward", self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        rows = kwargs["inputs_embeds"].shape[0]
        if rows > self.most or len(self.seen) == self.failing:
            self.failing = -1
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.seen.append(rows)
        return self._forward(*args, **kwargs)


def test_rows_that_are_done_leave_the_batch(talkative: Any, plainly: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _Rows(talkative, monkeypatch)
    together = talkative.generate(_queries(), max_new_tokens=12)
    steps = rows.seen[2:]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] < len(_queries())
    assert together == plainly
    assert {answer.finish_reason for answer in together} == {"stop", "length"}


@pytest.mark.parametrize("batch_size", [1, 2, 4, 5, 8])
def test_texts_do_not_depend_on_the_batch(talkative: Any, plainly: Any, batch_size: int) -> None:
    told: list[int] = []
    assert talkative.generate(_queries(), max_new_tokens=12, batch_size=batch_size, on_done=told.append) == plainly
    assert sum(told) == len(_queries())


def test_long_answers_of_several_batches_go_on_together(
    talkative: Any, plainly: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One answer in eight is long: the batches do not wait for it, one after another, but for all of them once."""
    encoded = [talkative.encode(query) for query in _queries()]
    reasons = [answer.finish_reason for answer in plainly]
    order = [reasons.index("length"), *[reasons.index("stop")] * 7]
    rows = _Rows(talkative, monkeypatch)
    stop = Stop(talkative.stop_ids, talkative.pad_id, 12)

    def passes(batches: int) -> int:
        rows.seen.clear()
        said: list[dict[int, list[int]]] = []
        numbered = [encoded[number] for number in order * 4 * batches]
        decode(
            talkative.model, talkative._embed, numbered, range(32 * batches), talkative.image_token, stop,
            batch_size=32, tell=lambda some: said.append(dict(some)),
        )  # fmt: skip
        answers = {number: answer for some in said for number, answer in some.items()}
        assert sum(map(len, said)) == len(answers) == 32 * batches
        assert len({tuple(answers[number]) for number in range(0, 32 * batches, 8)}) == 1
        return len(rows.seen)

    one, eight = passes(1), passes(8)
    assert one >= 11  # the long answer has 12 tokens
    assert eight < 5 * one  # and is not waited for eight times


def test_one_shortage_anywhere_ends_nothing(talkative: Any, plainly: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where several answers that waited were put together: they are halved one by one, not batch by batch."""
    rows = _Rows(talkative, monkeypatch)
    talkative.generate(_queries() * 2, max_new_tokens=12, batch_size=12)
    assert len(rows.seen) > 10
    for failing in range(len(rows.seen)):
        rows.seen.clear()
        rows.failing = failing
        told: list[int] = []
        queries = _queries() * 2
        assert talkative.generate(queries, max_new_tokens=12, batch_size=12, on_done=told.append) == plainly * 2
        assert rows.failing == -1  # it did run out
        assert sum(told) == len(queries)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_what_is_left_of_several_batches_may_not_fit_together(
    talkative: Any, plainly: Any, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    rows = _Rows(talkative, monkeypatch, most)
    told: list[int] = []
    assert talkative.generate(_queries(), max_new_tokens=12, batch_size=5, on_done=told.append) == plainly
    assert sum(told) == len(_queries())
    assert max(rows.seen) <= most


def test_hooks_see_whole_prompts(tiny: Any) -> None:
    """Somebody who acts on the last token of a question must not find the end of an image instead."""
    seen: list[int] = []
    layer = tiny.vlm.model.model.language_model.layers[0]

    def watch(module: Any, args: Any, output: Any) -> None:
        seen.append((output[0] if isinstance(output, tuple) else output).shape[1])

    handle = layer.register_forward_hook(watch)
    try:
        hooked = tiny.vlm.generate(_queries(), max_new_tokens=2)
    finally:
        handle.remove()
    assert seen[0] == max(len(tiny.vlm.encode(query).ids) for query in _queries())
    assert hooked == tiny.vlm.generate(_queries(), max_new_tokens=2)


def test_a_sliding_window_takes_the_plain_path(tiny: Any) -> None:
    vlm = tiny.fresh()
    encoded = [vlm.encode(query) for query in _queries()]
    assert vlm._may_share(encoded, 4)
    vlm.model.config.text_config.sliding_window = 16
    assert not vlm._may_share(encoded, 4)
    vlm.model.config.text_config.sliding_window = 4096
    assert vlm._may_share(encoded, 4)


def test_nothing_is_kept_for_gradients(tiny: Any) -> None:
    tiny.vlm.generate(_queries(), max_new_tokens=2)
    assert all(parameter.grad is None for parameter in tiny.vlm.model.parameters())
    assert torch.is_grad_enabled()
