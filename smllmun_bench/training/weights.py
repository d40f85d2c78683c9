"""Which weights are trained: adapters, or whole weights, put in place for a while and taken out again."""

import re
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from smllmun_bench.errors import RunFailed
from smllmun_bench.models.vlm import Vlm
from smllmun_bench.training.config import L1, LoraSettings, TrainingConfig
from smllmun_bench.training.sharded import absolute_sum, full, sharded


@dataclass(frozen=True, slots=True)
class LoraFactors:
    """One layer's update: scale · b @ a, a (rank, in), b (out, rank)."""

    a: Tensor
    b: Tensor
    scale: float

    def dense(self) -> Tensor:
        return self.scale * (self.b.float() @ self.a.float())


@dataclass(frozen=True, slots=True)
class Trainable:
    names: list[str]
    parameters: list[torch.nn.Parameter]
    read: Callable[[], tuple[dict[str, LoraFactors], dict[str, Tensor]]]
    size: Callable[[L1], Tensor]  # mean absolute value of what is trained


def target_modules(vlm: Vlm, train: str) -> list[str]:
    """Names of the linear layers that are trained. Scoped to the decoder: suffixes alone would hit the tower too."""
    inside = re.compile(re.escape(vlm.family.language) + r"\..*")
    attention = re.compile(r".*\.(q_proj|k_proj|v_proj|o_proj|qkv_proj)$")
    names = [
        name for name, module in vlm.model.named_modules() if isinstance(module, torch.nn.Linear) and inside.match(name)
    ]
    if train == "attention":
        names = [name for name in names if attention.match(name)]
    if not names:
        raise RunFailed(f"no linear layers to train under {vlm.family.language!r}", fix="docs/add_a_model.md")
    return names


def _whole_weights(vlm: Vlm, train: str) -> dict[str, torch.nn.Parameter]:
    named = dict(vlm.model.named_parameters())
    if train == "all":
        return named
    if train == "projector+decoder":
        return {name: weight for name, weight in named.items() if not name.startswith(f"{vlm.family.vision[0]}.")}
    if train == "decoder":
        return {name: weight for name, weight in named.items() if name.startswith(f"{vlm.family.language}.")}
    wanted = set(target_modules(vlm, train))
    return {name: weight for name, weight in named.items() if name.rpartition(".")[0] in wanted}


def _projector(vlm: Vlm) -> dict[str, torch.nn.Parameter]:
    """What lies between tower and decoder, by name."""
    between = tuple(f"{prefix}." for prefix in vlm.family.vision[1:])
    return {name: weight for name, weight in vlm.model.named_parameters() if name.startswith(between)}


def _mean_absolute(tensors: Iterable[Tensor]) -> Tensor:
    """Over all entries of all of them."""
    sums, counts = zip(*((absolute_sum(tensor), tensor.numel()) for tensor in tensors), strict=True)
    mean: Tensor = torch.stack(sums).sum() / sum(counts)
    return mean


@contextmanager
def trainable(vlm: Vlm, config: TrainingConfig, seed: int, only: Collection[str] | None = None) -> Iterator[Trainable]:
    if config.lora is not None and only is None:
        beside = _projector(vlm) if config.projector else {}
        with _lora(vlm, target_modules(vlm, config.train), config.lora, seed, beside, config.sharded) as taken:
            yield taken
        return
    names = list(_whole_weights(vlm, config.train) if only is None else only)
    wanted = set(names)
    frozen = {name: parameter.requires_grad for name, parameter in vlm.model.named_parameters()}
    keep, sees = vlm.bank.keep_features, any(name.startswith(vlm.family.vision) for name in names)
    try:
        for name, parameter in vlm.model.named_parameters():
            parameter.requires_grad_(name in wanted)
        if sees:
            vlm.bank.keep_features = False
        with sharded(vlm, config.sharded), _whole(vlm, names) as taken:
            yield taken
    finally:
        for name, parameter in vlm.model.named_parameters():
            parameter.requires_grad_(frozen[name])
            parameter.grad = None
        vlm.bank.keep_features = keep


@contextmanager
def _whole(vlm: Vlm, names: list[str]) -> Iterator[Trainable]:
    """The weights themselves, which are as they were when the block ends."""
    named = dict(vlm.model.named_parameters())
    chosen = {name: named[name] for name in names}
    before = {name: parameter.detach().clone() for name, parameter in chosen.items()}

    def read() -> tuple[dict[str, LoraFactors], dict[str, Tensor]]:
        return {}, {name: _change(parameter, before[name]) for name, parameter in chosen.items()}

    def size(l1: L1) -> Tensor:
        return _mean_absolute(parameter - before[name] for name, parameter in chosen.items())

    try:
        yield Trainable(names, list(chosen.values()), read, size)
    finally:
        with torch.no_grad():
            for name, parameter in chosen.items():
                parameter.copy_(before[name])


def _change(parameter: torch.nn.Parameter, before: Tensor) -> Tensor:
    return full(parameter.detach().float() - before.float()).cpu()


def _product(layer: Any) -> Tensor:
    """ΔW of a layer with an adapter, with its gradients."""
    a, b = full(layer.lora_A["default"].weight), full(layer.lora_B["default"].weight)
    return (b @ a) * float(layer.scaling["default"])


def _factors(layer: Any) -> LoraFactors:
    return LoraFactors(
        full(layer.lora_A["default"].weight.detach()).float().cpu(),
        full(layer.lora_B["default"].weight.detach()).float().cpu(),
        float(layer.scaling["default"]),
    )


def _adapted(vlm: Vlm, modules: list[str], settings: LoraSettings) -> Any:
    """The model with adapters in the place of `modules`; `unload` takes them out."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=modules,
        bias="none",
    )
    with warnings.catch_warnings():  # peft 0.21 asks for what transformers 5.23 has renamed
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return get_peft_model(vlm.model, config)


@contextmanager
def _lora(
    vlm: Vlm,
    modules: list[str],
    settings: LoraSettings,
    seed: int,
    beside: Mapping[str, torch.nn.Parameter],
    divide: bool,
) -> Iterator[Trainable]:
    """Fresh adapters on `modules`, and the whole weights `beside` them.

    The seed fixes A, so two runs with one seed start from the same A.
    """
    torch.manual_seed(seed)
    frozen = {name: parameter.requires_grad for name, parameter in vlm.model.named_parameters()}
    wrapped = _adapted(vlm, modules, settings)
    before = {name: parameter.detach().clone() for name, parameter in beside.items()}
    for parameter in beside.values():
        parameter.requires_grad_(True)
    keep = vlm.bank.keep_features
    if beside:
        vlm.bank.keep_features = False

    def read() -> tuple[dict[str, LoraFactors], dict[str, Tensor]]:
        factors = {f"{name}.weight": _factors(vlm.model.get_submodule(name)) for name in modules}
        return factors, {name: _change(parameter, before[name]) for name, parameter in beside.items()}

    def size(l1: L1) -> Tensor:
        if l1.of == "product":
            return _mean_absolute(_product(vlm.model.get_submodule(name)) for name in modules)
        return _mean_absolute(p for name, p in trained.items() if l1.of == "factors" or ".lora_B." in name)

    try:
        with sharded(vlm, divide):
            trained = {name: parameter for name, parameter in wrapped.named_parameters() if parameter.requires_grad}
            yield Trainable(list(trained), list(trained.values()), read, size)
    finally:
        wrapped.unload()
        with torch.no_grad():
            for name, parameter in beside.items():
                parameter.copy_(before[name])
        vlm.bank.keep_features = keep
        for name, parameter in vlm.model.named_parameters():
            parameter.requires_grad_(frozen[name])
            parameter.grad = None
