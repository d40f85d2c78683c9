"""Compiled layers: the same training, and no trace of them afterwards."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from smllmun_bench.errors import UserError
from smllmun_bench.training import losses
from smllmun_bench.training.config import LoraSettings, Stop, TrainingConfig
from smllmun_bench.training.examples import from_items
from smllmun_bench.training.loop import Batch, Silent, Terms, train

PLAIN = TrainingConfig(steps=3, batch_size=4, lr=0.01, lora=LoraSettings(rank=4, alpha=8))
COMPILED = PLAIN.model_copy(update={"compile": True})


def descend(batch: Batch) -> Terms:
    return {"retain": losses.cross_entropy(batch["retain"].scores.logp)}


def streams(tiny: Any) -> dict[str, Any]:
    return {"retain": from_items(tiny.data.retain)}


def layers(tiny: Any) -> list[torch.nn.Module]:
    return list(tiny.vlm.model.get_submodule(tiny.vlm.family.language).layers)


def test_it_is_part_of_a_configuration_only_where_it_is_used() -> None:
    assert "compile" not in PLAIN.model_dump()
    assert COMPILED.model_dump()["compile"] is True


def test_the_layers_and_nothing_else_run_compiled_and_are_themselves_again(
    tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Any] = []

    def placeholder(work: Callable[..., Any], *, dynamic: bool | None = None) -> Callable[..., Any]:
        def counted(*args: Any, **more: Any) -> Any:
            ran.append((getattr(work, "__self__", None), dynamic))
            return work(*args, **more)

        return counted

    monkeypatch.setattr(torch, "compile", placeholder)
    before = list(tiny.vlm.model.state_dict())
    compiled = train(tiny.vlm, streams(tiny), descend, COMPILED, seed=1)
    assert ran[1:] == [(layer, True) for layer in layers(tiny)] * 3  # the first is the trial of the compiler
    assert compiled.history == train(tiny.vlm, streams(tiny), descend, PLAIN, seed=1).history
    assert len(ran) == 1 + 3 * len(layers(tiny))
    assert not any("forward" in vars(layer) for layer in layers(tiny))
    assert list(tiny.vlm.model.state_dict()) == before


def test_without_a_compiler_training_does_not_begin(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: Any, **more: Any) -> Any:
        raise RuntimeError("\nNo working C++ compiler found")

    monkeypatch.setattr(torch, "compile", missing)
    with pytest.raises(UserError, match=r"No working C\+\+ compiler found[\s\S]*leave training\.compile out"):
        train(tiny.vlm, streams(tiny), descend, COMPILED, seed=1)
    assert not any("forward" in vars(layer) for layer in layers(tiny))


class _Asks(Silent):
    """Weighs an answer at every check, as a search for matched forgetting does."""

    def __init__(self, vlm: Any, pairs: Any) -> None:
        self.vlm, self.pairs, self.seen = vlm, pairs, []

    def on_check(self, step: int) -> bool:
        self.seen.append(self.vlm.answer_logprobs(self.pairs))
        return False


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the compiler's own
@pytest.mark.parametrize("checkpointing", [False, True])
def test_losses_are_those_of_plain_training(tiny: Any, mixed: Any, checkpointing: bool) -> None:
    changes = {"gradient_checkpointing": checkpointing, "stop": Stop(rule="matched", every=2)}
    results = {}
    for config in (PLAIN, COMPILED):
        progress = _Asks(tiny.vlm, mixed)
        update = train(tiny.vlm, streams(tiny), descend, config.model_copy(update=changes), seed=1, progress=progress)
        results[config.compile] = update, progress.seen
    (plain, asked), (fast, asked_too) = results[False], results[True]
    assert [h["retain"] for h in fast.history] == pytest.approx([h["retain"] for h in plain.history], abs=1e-4)
    for name, change in plain.deltas().items():
        assert torch.allclose(fast.deltas()[name], change, atol=1e-3), name
    for one, other in zip(asked, asked_too, strict=True):
        assert [sum(row) for row in one] == pytest.approx([sum(row) for row in other], abs=1e-2)
