"""Two processes that divide the decoder's layers: the change that one process makes, and no trace in the model."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import together
import torch
from pydantic import ValidationError

from smllmun_bench.errors import UserError
from smllmun_bench.training.config import TrainingConfig
from smllmun_bench.training.examples import from_items
from smllmun_bench.training.loop import LoopHooks, train
from smllmun_bench.training.sharded import clip_gradients


def _launch(folder: Path, *arguments: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    processes = []
    for rank in ("0", "1"):
        command = [sys.executable, together.__file__, *arguments[:2], str(folder / f"{rank}.pt"), *arguments[2:]]
        environment = os.environ | common | {"RANK": rank, "LOCAL_RANK": rank, "ACCELERATE_USE_CPU": "true"}
        with (folder / f"{rank}.txt").open("w") as said:
            processes.append(subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT))
    try:
        codes = [process.wait(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert codes == [0, 0], "\n".join((folder / f"{rank}.txt").read_text()[-3000:] for rank in ("0", "1"))


@pytest.fixture(scope="module")
def together_and_alone(_tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], Any]:
    folder = tmp_path_factory.mktemp("sharded")
    pictures = {f"p{number}": _tiny.source.image(f"p{number}") for number in range(10)}
    torch.save((_tiny.data, pictures), folder / "data")
    _launch(folder, str(_tiny.folder), str(folder / "data"), *together.CONFIGS)
    both = [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in ("0", "1")]
    alone = {name: together.case(_tiny.vlm, _tiny.data, name, sharded=False) for name in together.CONFIGS}
    return both, alone


@pytest.mark.slow
@pytest.mark.parametrize("name", together.CONFIGS)
def test_two_processes_change_what_one_does(together_and_alone: Any, name: str) -> None:
    both, everyone = together_and_alone
    alone = everyone[name]
    for ours in (process[name] for process in both):
        assert ours["left"] == []
        assert ours["low_rank"] == alone["low_rank"]
        assert ours["trained"] == alone["trained"]
        assert ours["heard"] == alone["heard"]
        assert ours["deltas"].keys() == alone["deltas"].keys()
        ahead, behind = (torch.cat([run["deltas"][key].flatten() for key in alone["deltas"]]) for run in (ours, alone))
        assert behind.norm() > 0.01
        assert (ahead - behind).norm() < (0.05 if name == "autocast" else 0.001) * behind.norm()
    for key, delta in both[0][name]["deltas"].items():
        assert torch.equal(delta, both[1][name]["deltas"][key])


@pytest.mark.slow
@pytest.mark.parametrize("name", together.CONFIGS)
def test_each_process_holds_half_of_each_layer(together_and_alone: Any, name: str) -> None:
    both, alone = together_and_alone
    first, second = (process[name]["shards"] for process in both)
    assert first
    assert first.keys() == second.keys()
    assert all(".layers." in key for key in first)
    assert all(first[key] + second[key] == pytest.approx(1) for key in first)
    assert sum(first.values()) / len(first) == pytest.approx(0.5, abs=0.1)
    assert not alone[name]["shards"]


SHARDED = together.LORA.model_copy(update={"sharded": True})


def _refused(tiny: Any, config: TrainingConfig = SHARDED, hooks: LoopHooks | None = None) -> UserError:
    before = together.state(tiny.vlm)
    with pytest.raises(UserError) as caught:
        train(
            tiny.vlm,
            {"retain": from_items(tiny.data.retain)},
            together.loss,
            config,
            seed=1,
            hooks=hooks or LoopHooks(),
        )
    assert together.state(tiny.vlm) == before
    assert caught.value.where == "training.sharded"
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize("config", [SHARDED, SHARDED.model_copy(update={"lora": None})], ids=["lora", "whole"])
def test_one_process_has_nobody_to_share_with(tiny: Any, config: TrainingConfig) -> None:
    assert "one process" in _refused(tiny, config).what


def test_what_cannot_be_divided_is_said(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "moves whole weights itself" in _refused(tiny, hooks=LoopHooks(start=lambda weights: None)).what
    with monkeypatch.context() as patched:
        patched.setattr(tiny.vlm, "family", replace(tiny.vlm.family, alike=True))
        assert "with and without pictures" in _refused(tiny).what
    with monkeypatch.context() as patched:
        patched.setattr(tiny.vlm.model, "hf_device_map", {"": "cpu"}, raising=False)
        assert "--device-map" in _refused(tiny).what


@pytest.mark.parametrize("other", [{"compile": True}, {"stop": {"rule": "matched"}}], ids=["compile", "matched"])
def test_it_does_not_go_with(other: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="'sharded'"):
        TrainingConfig.model_validate({"sharded": True} | other)
    TrainingConfig.model_validate(other)


def test_it_is_part_of_a_configuration_only_where_it_is_used() -> None:
    assert "sharded" not in together.LORA.model_dump()
    assert SHARDED.model_dump()["sharded"] is True


def test_clipping_without_shards_is_torch_s_own() -> None:
    weights = [torch.nn.Parameter(torch.randn(3, 2)), torch.nn.Parameter(torch.randn(5))]
    for weight in weights:
        weight.grad = 3 * weight.detach()
    copies = [torch.nn.Parameter(weight.detach().clone()) for weight in weights]
    for ours, theirs in zip(copies, weights, strict=True):
        ours.grad = theirs.grad.clone()
    assert torch.equal(clip_gradients(copies, 0.5), torch.nn.utils.clip_grad_norm_(weights, 0.5))
    assert all(torch.equal(ours.grad, theirs.grad) for ours, theirs in zip(copies, weights, strict=True))
