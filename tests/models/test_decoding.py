"""Sharing an image and leaving the batch change how much is computed, never what is said."""

from typing import Any

import pytest
import torch

from smllmun_bench.models.decoding import prefix_length
from smllmun_bench.models.encoding import Encoded
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


def test_rows_that_are_done_leave_the_batch(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that most of the free answers contain, and not all, becomes the end of an answer."""
    vlm = tiny.fresh()
    with torch.no_grad():  # an untrained model repeats itself; with larger weights it says more than one thing
        for parameter in vlm.model.model.language_model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())))
    queries = _queries()
    free = vlm._generate_batch([vlm.encode(query) for query in queries], 12)
    holders = {token: sum(token in row for row in free) for row in free for token in row}
    end = next(token for token, count in holders.items() if len(queries) / 2 <= count < len(queries))
    vlm.stop_ids = frozenset({*vlm.stop_ids, end})
    rows: list[int] = []
    forward = vlm.model.model.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        rows.append(kwargs["inputs_embeds"].shape[0])
        return forward(*args, **kwargs)

    monkeypatch.setattr(vlm.model.model, "forward", counted)
    together = vlm.generate(queries, max_new_tokens=12)
    steps = rows[2:]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] < len(queries)
    monkeypatch.setattr(vlm.model.model, "forward", forward)
    monkeypatch.setattr(Vlm, "_may_share", lambda self, *rest: False)
    assert together == vlm.generate(queries, max_new_tokens=12)
    assert {answer.finish_reason for answer in together} == {"stop", "length"}


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
