"""When memory runs out: batches are halved, nothing that was done is done again, and one line tells the way out."""

from itertools import pairwise
from typing import Any

import pytest
import torch

from smllmun_bench.errors import RunFailed, UserError
from smllmun_bench.models.loading import load
from smllmun_bench.models.memory import explained, in_batches, is_shortage

CPU = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
)
SHORTAGES = [CPU, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError()]


@pytest.mark.parametrize("error", SHORTAGES)
def test_a_shortage_is_known_by_what_it_says(error: BaseException) -> None:
    assert is_shortage(error)


def test_other_errors_are_no_shortage() -> None:
    assert not is_shortage(RuntimeError("shapes cannot be multiplied"))
    assert not is_shortage(ValueError("out of memory"))
    with pytest.raises(ZeroDivisionError):
        in_batches(lambda batch: 1 / 0, [1, 2], 2)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("error", SHORTAGES)
@pytest.mark.parametrize("size", [1, 3, 16, 100])
def test_a_batch_that_does_not_fit_is_halved_and_nothing_is_done_twice(size: int, error: BaseException) -> None:
    done: list[int] = []
    tried: list[int] = []

    def work(batch: Any) -> None:
        tried.append(len(batch))
        if len(batch) > 3:
            raise error
        done.extend(batch)

    fits = in_batches(work, list(range(20)), size)
    assert done == list(range(20))
    assert fits <= 3
    assert all(later <= first for first, later in pairwise(tried))  # it never grows again


def test_one_that_does_not_fit_alone_is_told_with_the_way_out() -> None:
    def work(batch: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(UserError, match=r"one question at a time[\s\S]*--dtype bfloat16[\s\S]*--device-map auto"):
        in_batches(work, [1, 2, 3], 2)


@pytest.mark.parametrize("error", SHORTAGES)
def test_training_that_does_not_fit_is_a_failed_run_and_no_traceback(error: BaseException) -> None:
    with (
        pytest.raises(RunFailed, match=r"unlearning with ga does not fit[\s\S]*batch_size"),
        explained("unlearning with ga"),
    ):
        raise error


def test_answers_are_the_same_when_memory_runs_out_on_the_way(tiny: Any, mixed: Any, monkeypatch: Any) -> None:
    queries = [query for query, _ in mixed]
    texts, numbers = tiny.vlm.generate(queries, max_new_tokens=4), tiny.vlm.answer_logprobs(mixed)
    forward, score, asked, told = tiny.vlm.model.model.forward, tiny.vlm.score_answers, [], []

    def little(*args: Any, **kwargs: Any) -> Any:
        if len(kwargs["inputs_embeds"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        asked.append(len(kwargs["inputs_embeds"]))
        return forward(*args, **kwargs)

    def less(encoded: Any, **how: Any) -> Any:
        if len(encoded) > 3:
            raise CPU
        return score(encoded, **how)

    monkeypatch.setattr(tiny.vlm.model.model, "forward", little)
    assert tiny.vlm.generate(queries, max_new_tokens=4, on_done=told.append) == texts
    assert sum(told) == len(queries)
    assert max(asked) == 2
    monkeypatch.setattr(tiny.vlm.model.model, "forward", forward)
    monkeypatch.setattr(tiny.vlm, "score_answers", less)
    for one, other in zip(tiny.vlm.answer_logprobs(mixed), numbers, strict=True):
        assert list(one) == pytest.approx(list(other), abs=1e-5)


@pytest.mark.parametrize("error", SHORTAGES)
def test_a_model_that_does_not_fit_is_one_readable_error(tiny: Any, monkeypatch: Any, error: BaseException) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise error

    monkeypatch.setattr("transformers.LlavaForConditionalGeneration.to", refuse)
    with pytest.raises(UserError, match=r"does not fit into the memory of cpu in float32[\s\S]*--device-map auto"):
        load(tiny.folder, tiny.source)
