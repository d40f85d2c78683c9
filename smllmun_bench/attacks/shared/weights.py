"""Small changes of the decoder's weights, as they are mounted."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from smllmun_bench.models.change import Artifact

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.models.vlm import Vlm


def reweighted(vlm: "Vlm", becomes: "Callable[[Tensor], Tensor]") -> Artifact:
    """The change that makes `becomes(W)` of the weight W (float32) of every linear layer of the decoder.

    Computed on the weights as they are mounted, so it goes on top of an unlearning artifact.
    """
    from smllmun_bench.training.weights import target_modules

    layers = target_modules(vlm, "language")
    weights = {f"{name}.weight": vlm.model.get_submodule(name).weight.detach().float() for name in layers}
    return Artifact("delta", {name: (becomes(weight) - weight).cpu() for name, weight in weights.items()})
