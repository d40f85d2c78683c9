"""`training.sharded`: the decoder's layers divided over the processes while they are trained (torch's FSDP2).

Each process keeps a part of every weight, of its gradient and of what the optimiser remembers; a layer is put together
when it runs. Everything beside the layers (tower, projector, embeddings, the last norm) stays whole everywhere.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from smllmun_bench import runtime
from smllmun_bench.errors import UserError
from smllmun_bench.models.hooks import editing
from smllmun_bench.models.parts import decoder_layers
from smllmun_bench.models.vlm import Vlm

_OPTION = "training.sharded"


@contextmanager
def sharded(vlm: Vlm, wanted: bool) -> Iterator[None]:
    """Inside the block, if `wanted`, the parameters of decoder layers are shards, under their usual names.

    Afterwards the model has its own parameters again, bit for bit: they have waited in main memory. What was trained is
    lost unless `full` has read it. Say before the block which parameters require gradients.

    Raises:
        UserError: there is one process only, or the model cannot be divided.
    """
    if not wanted:
        yield
        return
    layers = _divisible(vlm)
    from torch.distributed.device_mesh import init_device_mesh

    runtime.wait()  # the group is joined
    mesh = init_device_mesh(vlm.device.type, (runtime.size(),))
    where, _, name = vlm.family.language.rpartition(".")
    language = vlm.model.get_submodule(vlm.family.language)
    inside = {parameter for layer in layers for parameter in layer.parameters()}
    beside = set(language.parameters()) - inside
    with ExitStack() as stack:
        parts = []
        for number in range(len(layers)):
            twin = _twin(stack, layers, str(number))
            places = _places(twin)
            stack.callback(_put_back, places, vlm.device)
            _divide(stack, twin, mesh=mesh)
            for _, _, parameter in places:
                parameter.data = parameter.data.cpu()
            parts.append(twin)
        whole = _twin(stack, vlm.model.get_submodule(where), name)
        _divide(stack, whole, mesh=mesh, ignored_params=beside)  # has no shards; by it, layers are fetched in advance
        if vlm.device.type == "cpu":
            for part in (*parts, whole):  # gloo cannot average
                part.set_force_sum_reduction_for_comms(True)
        if any(p.requires_grad for p in vlm.model.parameters() if not is_shard(p)):
            stack.enter_context(editing(vlm, whole, _asking_for_gradients, side="input", keyword="inputs_embeds"))
        yield


def is_shard(tensor: Tensor) -> bool:
    return hasattr(tensor, "full_tensor")


def full(tensor: Tensor) -> Tensor:
    """The whole of a shard; of any other tensor itself. All processes must ask, in the same order."""
    whole: Any = tensor
    return cast(Tensor, whole.full_tensor()) if is_shard(tensor) else tensor


def divided_like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A whole tensor, equal in all processes, in the form of `parameter`: itself, or this process's shard of it."""
    if not is_shard(parameter):
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(parameter, DTensor)
    return distribute_tensor(tensor, parameter.device_mesh, parameter.placements, src_data_rank=None)


def absolute_sum(tensor: Tensor) -> Tensor:
    """Σ|t| over the whole tensor. The gradient of a shard is that of its own entries: those of others lie with them."""
    if not is_shard(tensor):
        return tensor.abs().sum()
    shard: Any = tensor
    mine: Tensor = shard.to_local().abs().sum()
    everywhere = full(tensor.detach().abs().sum())
    return mine + (everywhere - mine.detach())


def kinds(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Shards and whole parameters apart, since no operation on many tensors takes both. None of these is empty."""
    apart = [[p for p in parameters if is_shard(p) == shards] for shards in (True, False)]
    return [kind for kind in apart if kind]


def clip_gradients(parameters: Sequence[nn.Parameter], limit: float) -> Tensor:
    """`clip_grad_norm_` over shards and whole parameters together; the norm before clipping."""
    if not any(is_shard(parameter) for parameter in parameters):
        return torch.nn.utils.clip_grad_norm_(parameters, limit)
    apart = kinds(parameters)
    norms = [full(nn.utils.get_total_norm([p.grad for p in kind if p.grad is not None])) for kind in apart]
    total: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    for kind in apart:
        nn.utils.clip_grads_with_norm_(kind, limit, total)
    return total


def _divisible(vlm: Vlm) -> nn.ModuleList:
    """The decoder's layers, if these processes can share them."""
    if runtime.size() == 1:
        raise UserError(
            "there is one process, and nobody to share the weights with",
            where=_OPTION,
            fix="accelerate launch --num_processes 2 -m smllmun_bench run …, or leave it out",
        )
    if vlm.family.alike:  # such processes pass the layers a different number of times, and would wait for ever
        raise UserError(
            f"{vlm.name} takes questions with and without pictures apart, so processes would not keep step",
            where=_OPTION,
            fix="leave it out; training.gradient_checkpointing and lora save memory too",
        )
    if getattr(vlm.model, "hf_device_map", None):
        raise UserError(
            "--device-map spreads the model over cards within each process already",
            where=_OPTION,
            fix="one of the two",
        )
    return decoder_layers(vlm, _OPTION)


def _twin(stack: ExitStack, parent: nn.Module, name: str) -> Any:
    """A shallow copy in the place of a module until the end: FSDP changes a module's class, and never changes it back.

    The copy shares parts, parameters and hooks with the module, so whoever holds the module still reaches all of them.
    """
    module = getattr(parent, name)
    twin = copy.copy(module)
    setattr(parent, name, twin)
    stack.callback(setattr, parent, name, module)
    return twin


_Place = tuple[nn.Module, str, nn.Parameter]


def _places(layer: nn.Module) -> list[_Place]:
    return [(m, name, parameter) for m in layer.modules() for name, parameter in m.named_parameters(recurse=False)]


def _put_back(places: Sequence[_Place], device: torch.device) -> None:
    for module, name, parameter in places:
        parameter.data = parameter.data.to(device)
        setattr(module, name, parameter)


def _asking_for_gradients(embeds: Tensor) -> Tensor:
    """Where the tower is trained, a process without pictures must go back through all layers too: others wait there."""
    if embeds.requires_grad or not torch.is_grad_enabled():
        return embeds
    return embeds.detach().requires_grad_()


def _divide(stack: ExitStack, twin: nn.Module, **options: Any) -> None:
    """FSDP on the twin; what that leaves on modules and in hooks that outlive the twin goes in the end."""
    from torch.distributed.fsdp import fully_shard

    hooks = [found for key, found in vars(twin).items() if "hooks" in key and isinstance(found, dict)]
    there = [set(found) for found in hooks]
    parts = list(twin.modules())
    fully_shard(twin, **options)
    added = [(found, key) for found, before in zip(hooks, there, strict=True) for key in found.keys() - before]

    def forget() -> None:
        for found, key in added:
            found.pop(key, None)
        for module in parts:
            for mark in ("_is_fsdp_managed_module", "_fsdp_use_orig_params"):
                vars(module).pop(mark, None)

    stack.callback(forget)
