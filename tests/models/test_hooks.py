"""Hooks come off however their block ends, and a pass that is recomputed for its gradients is the one that was."""

import re
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import smllmun_bench
from smllmun_bench.models.hooks import at_prefill, current_batch, editing, one_row_per_question, reading, recomputation
from smllmun_bench.models.vlm import Query

DOWN = "model.language_model.layers.0.mlp.down_proj"
MLP = "model.language_model.layers.0.mlp"
TOWER = "model.vision_tower.encoder.layers.0.mlp"


@contextmanager
def trained(vlm: Any, checkpointing: bool) -> Any:
    """As in training: gradients at all weights, with activations kept or computed twice."""
    parameters = list(vlm.model.parameters())
    before = [parameter.requires_grad for parameter in parameters]
    if checkpointing:
        vlm.model.activation_checkpointing_enable({"use_reentrant": False, "context_fn": partial(recomputation, vlm)})
    keep, vlm.bank.keep_features = vlm.bank.keep_features, False
    vlm.model.requires_grad_(True).train()
    try:
        yield
    finally:
        vlm.model.eval()
        vlm.bank.keep_features = keep
        vlm.model.activation_checkpointing_disable()
        vlm.model.disable_input_require_grads()
        for parameter, wanted in zip(parameters, before, strict=True):
            parameter.requires_grad_(wanted)
            parameter.grad = None


def total(tiny: Any) -> torch.Tensor:
    vlm = tiny.vlm
    return vlm.score_answers([vlm.encode(Query(i.question, i.images), i.answer) for i in tiny.data.forget]).logp.sum()


def gradients(vlm: Any) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in vlm.model.parameters() if p.grad is not None])


Run = Callable[[Any], torch.Tensor]


def with_and_without(tiny: Any, run: Run) -> tuple[torch.Tensor, torch.Tensor]:
    found = []
    for checkpointing in (False, True):
        with trained(tiny.vlm, checkpointing):
            run(tiny).backward()
            found.append(gradients(tiny.vlm).clone())
    return found[0], found[1]


def plain(tiny: Any) -> torch.Tensor:
    return total(tiny)


def edited(module: str, side: Any = "output") -> Run:
    """The change is gone before the backward pass."""

    def run(tiny: Any) -> torch.Tensor:
        with editing(tiny.vlm, tiny.vlm.model.get_submodule(module), lambda hidden: 3 * hidden + 0.1, side=side):
            return total(tiny)

    return run


def edited_by_batch(tiny: Any) -> torch.Tensor:
    def change(hidden: torch.Tensor) -> torch.Tensor:
        return hidden * (1 + current_batch(tiny.vlm).positions[..., None])

    with editing(tiny.vlm, tiny.vlm.model.get_submodule(DOWN), change, side="output"):
        return total(tiny)


def edited_by_row(tiny: Any) -> torch.Tensor:
    def change(layout: Any, hidden: torch.Tensor) -> torch.Tensor:
        return torch.where(layout.prompt()[..., None], 2 * hidden, hidden)

    module = tiny.vlm.model.get_submodule(DOWN)
    with one_row_per_question(tiny.vlm), at_prefill(tiny.vlm, module, change, after=True):
        return total(tiny)


def edited_later(tiny: Any) -> torch.Tensor:
    """What comes after a pass has no part in it: both are recomputed, one with the change and one without."""
    first = total(tiny)
    return first + edited(DOWN)(tiny)


def two_edits(tiny: Any) -> torch.Tensor:
    """One of them is still there when the pass is recomputed, for another pass."""
    module = tiny.vlm.model.get_submodule(DOWN)
    with editing(tiny.vlm, module, lambda hidden: hidden + 0.2, side="output"):
        return total(tiny) + edited(MLP, "input")(tiny)


RUNS = {
    "plain": plain,
    "inside a layer": edited(DOWN),
    "what enters": edited(MLP, "input"),
    "a layer": edited("model.language_model.layers.0", "input"),
    "the tower": edited(TOWER),
    "by batch": edited_by_batch,
    "by row": edited_by_row,
    "later": edited_later,
    "two": two_edits,
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_recomputed_pass_has_the_gradients_of_the_first(run: Run, tiny: Any) -> None:
    kept, twice = with_and_without(tiny, run)
    assert kept.abs().max() > 0
    assert torch.equal(kept, twice)
    if run is not plain:
        assert not torch.equal(kept, with_and_without(tiny, plain)[0])  # the change is felt at all


def test_a_change_that_is_mounted_while_another_pass_is_recomputed_does_not_touch_it(tiny: Any) -> None:
    found = []
    for other in (
        nullcontext(),
        editing(tiny.vlm, tiny.vlm.model.get_submodule(DOWN), torch.zeros_like, side="output"),
    ):
        with trained(tiny.vlm, True):
            loss = total(tiny)
            with other:
                loss.backward()
            found.append(gradients(tiny.vlm).clone())
    assert torch.equal(*found)


def test_a_graph_that_is_kept_is_recomputed_twice(tiny: Any) -> None:
    with trained(tiny.vlm, True):
        loss = edited(DOWN)(tiny)
        loss.backward(retain_graph=True)
        once = gradients(tiny.vlm).clone()
        loss.backward()
        torch.testing.assert_close(gradients(tiny.vlm), 2 * once)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_what_is_read_is_read_once_and_has_gradients(checkpointing: bool, tiny: Any) -> None:
    read: list[torch.Tensor] = []
    with trained(tiny.vlm, checkpointing):
        module = tiny.vlm.model.get_submodule(DOWN)
        with reading(tiny.vlm, module, lambda hidden: read.append(hidden[:, -1].square()), side="output"):
            loss = total(tiny)
            (loss + read[0].sum()).backward()
        assert len(read) == 1
        assert module.weight.grad is not None
        assert module.weight.grad.abs().max() > 0


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, RuntimeError])
def test_hooks_come_off_however_the_block_ends(leaving: type, tiny: Any) -> None:
    vlm, before = tiny.vlm, tiny.vlm.fingerprint()
    module = vlm.model.get_submodule(DOWN)

    def stop(hidden: torch.Tensor) -> torch.Tensor:
        raise leaving

    with (  # noqa: PT012 - the block is what is tested
        pytest.raises(leaving),
        reading(vlm, module, lambda hidden: None, side="input"),
        editing(vlm, module, stop, side="output"),
    ):
        assert len(vlm.hooks()) == 1
        total(tiny)
    assert vlm.fingerprint() == before
    assert (vlm.hooks(), vlm.edits, vlm.current_batch, vlm.recomputing) == ([], (), None, False)


def test_a_recomputation_that_fails_leaves_no_batch_behind(tiny: Any) -> None:
    module, calls = tiny.vlm.model.get_submodule(MLP), []

    def fails_the_second_time(hidden: torch.Tensor) -> torch.Tensor:
        calls.append(tiny.vlm.recomputing)
        if len(calls) > 1:
            raise RuntimeError("no more")
        return hidden

    with trained(tiny.vlm, True):
        with editing(tiny.vlm, module, fails_the_second_time, side="input"):
            loss = total(tiny)
        with pytest.raises(RuntimeError, match="no more"):
            loss.backward()
    assert calls == [False, True]
    assert (tiny.vlm.hooks(), tiny.vlm.edits, tiny.vlm.current_batch, tiny.vlm.recomputing) == ([], (), None, False)


def test_no_other_file_of_the_package_registers_hooks() -> None:
    """Exported code stands alone and brings its own."""
    package = Path(smllmun_bench.__file__).parent
    registers = re.compile(r"register_(full_)?(forward|backward)_(pre_)?hook")
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if registers.search(path.read_text(encoding="utf-8"))
    }
    assert {path for path in found if not path.startswith("export/")} == {"models/hooks.py"}
