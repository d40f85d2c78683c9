"""`training.compile`: the decoder's layers as compiled code, for the time of training.

Each layer by itself, since they are all alike: one is compiled and the rest reuse it. Shapes are left open, since
batches differ in length.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from smllmun_bench.errors import UserError
from smllmun_bench.models.parts import decoder_layers
from smllmun_bench.models.vlm import Vlm


@contextmanager
def compiled(vlm: Vlm, wanted: bool) -> Iterator[None]:
    """Inside the block, if `wanted`, decoder layers run compiled; modules, names and weights stay as they are.

    Hooks on a layer run outside of what is compiled, hooks on its parts are compiled along.

    Raises:
        UserError: there is no compiler for the device, or no list of decoder layers.
    """
    if not wanted:
        yield
        return
    from torch._dynamo import config

    layers = decoder_layers(vlm, "training.compile")
    _try_out(vlm.device)
    with config.patch(skip_nnmodule_hook_guards=False):  # else a hook that comes later, or goes, would pass unseen
        try:
            for layer in layers:
                layer.forward = torch.compile(layer.forward, dynamic=True)
            yield
        finally:
            for layer in layers:
                vars(layer).pop("forward", None)  # the class's own again


@contextmanager
def eager(wanted: bool) -> Iterator[None]:
    """Inside the block, if `wanted`, nothing runs compiled: the shapes and caches of answers would be compiled anew."""
    if not wanted:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def _try_out(device: torch.device) -> None:
    """Compile one line, so that what is missing is said before training begins."""
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.ones(8, device=device))
    except Exception as error:  # torch has a class of its own for each thing that may be missing
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        need = "Triton" if device.type == "cuda" else "a C++ compiler (g++ or clang)"
        raise UserError(
            f"torch.compile does not work here: {first}",
            where="training.compile",
            fix=f"install {need}, or leave training.compile out",
        ) from error
