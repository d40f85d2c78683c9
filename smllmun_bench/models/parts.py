"""The parts of a model by what they are (decoder layers, feed-forward blocks, linear layers), and what is missing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smllmun_bench.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from smllmun_bench.models.vlm import Vlm

_FINAL_NORMS = ("norm", "final_layernorm", "final_layer_norm", "ln_f")
_INWARDS, _OUTWARDS = ("gate_proj", "up_proj", "fc1"), ("down_proj", "fc2")


@dataclass(frozen=True, slots=True)
class Mlp:
    """One feed-forward block: linear layers into its neurons, by full name, and the one out of them.

    Neuron n is row n of every weight of `into` and column n of the weight of `out`.
    """

    name: str
    into: tuple[str, ...]
    out: str


def decoder_layers(vlm: "Vlm", user: str) -> "nn.ModuleList":
    """The layers of the language model. Raises UserError, about the method or option that needs them, if there is no
    list of them."""
    from torch import nn

    try:
        layers = vlm.model.get_submodule(f"{vlm.family.language}.layers")
    except AttributeError:
        layers = None
    if not isinstance(layers, nn.ModuleList):
        found = [name for name, _ in vlm.model.named_children()]
        raise UserError(
            f"{user} looked for decoder layers at {vlm.family.language}.layers of {vlm.name} and found none; "
            f"the model has {', '.join(found) or 'no parts'}",
            fix="docs/add_a_model.md tells where a family says how its parts are called",
        )
    return layers


def final_norm(vlm: "Vlm", user: str) -> "nn.Module":
    """What stands between the last decoder layer and the head. Raises UserError as `decoder_layers` if nothing does."""
    decoder_layers(vlm, user)
    decoder = vlm.model.get_submodule(vlm.family.language)
    found: nn.Module | None = next((getattr(decoder, name) for name in _FINAL_NORMS if hasattr(decoder, name)), None)
    if found is None:
        raise UserError(
            f"{user} looked for the norm ({' or '.join(_FINAL_NORMS)}) at {vlm.family.language} of {vlm.name}",
            fix="a model whose final norm has one of these names",
        )
    return found


def mlps(vlm: "Vlm", prefixes: Sequence[str], method: str) -> list[Mlp]:
    """The feed-forward blocks under any of the prefixes, in the order of the model. Raises UserError if none are."""
    from torch import nn

    blocks = []
    for name, module in vlm.model.named_modules():
        if not name.startswith(tuple(f"{prefix}." for prefix in prefixes)):
            continue
        linear = {child for child, layer in module.named_children() if isinstance(layer, nn.Linear)}
        into, out = [c for c in _INWARDS if c in linear], [c for c in _OUTWARDS if c in linear]
        if into and out:
            blocks.append(Mlp(name, tuple(f"{name}.{child}" for child in into), f"{name}.{out[0]}"))
    if not blocks:
        raise UserError(
            f"{method} looked for feed-forward blocks ({' or '.join(_INWARDS)}, and {' or '.join(_OUTWARDS)}) under "
            f"{', '.join(prefixes)} of {vlm.name} and found {_linear_names(vlm, prefixes)}",
            fix="a model whose blocks have these names",
        )
    return blocks


def vision_weights(vlm: "Vlm", method: str) -> list[str]:
    """Names of the linear and convolutional weights of tower and projector. Raises UserError if there are none."""
    from torch import nn

    prefixes = vlm.family.vision
    names = [
        f"{name}.weight"
        for name, module in vlm.model.named_modules()
        if name.startswith(prefixes) and isinstance(module, nn.Linear | nn.Conv2d | nn.Conv3d)
    ]
    if not names:
        raise UserError(
            f"{method} looked for the linear layers of a vision tower under {', '.join(prefixes)} of {vlm.name} and "
            f"found {_linear_names(vlm, prefixes)}",
            fix="a vision-language model, or the mask of the language model alone",
        )
    return names


def _linear_names(vlm: "Vlm", prefixes: Sequence[str]) -> str:
    from torch import nn

    names = sorted(
        {
            name.rpartition(".")[2]
            for name, module in vlm.model.named_modules()
            if name.startswith(tuple(prefixes)) and isinstance(module, nn.Linear)
        }
    )
    return f"linear layers called {', '.join(names)}" if names else "no linear layers"


@contextmanager
def sensitive(vlm: "Vlm", names: Sequence[str]) -> Iterator[dict[str, "nn.Parameter"]]:
    """The parameters of these names require gradients inside the block, and no others."""
    parameters = dict(vlm.model.named_parameters())
    before = {name: parameter.requires_grad for name, parameter in parameters.items()}
    keep = vlm.bank.keep_features
    wanted = set(names)
    try:
        for name, parameter in parameters.items():
            parameter.requires_grad_(name in wanted)
        vlm.bank.keep_features = keep and not any(name.startswith(vlm.family.vision) for name in wanted)
        yield {name: parameters[name] for name in names}
    finally:
        for name, parameter in parameters.items():
            parameter.requires_grad_(before[name])
            parameter.grad = None
        vlm.bank.keep_features = keep
