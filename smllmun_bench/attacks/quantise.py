"""Does rounding the weights bring a memory back? A small change may vanish in it, and the forgetting with it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family
from smllmun_bench.attacks.shared.weights import reweighted
from smllmun_bench.models.change import Artifact

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.models.vlm import Vlm


def quantise(vlm: "Vlm", bits: int) -> Artifact:
    """The change that rounding the decoder's linear layers, as they stand now, to `bits` bits makes.

    Round to nearest with one scale per output row, symmetric, without calibration data. Computed on the weights as
    they are mounted, so it goes on top of an unlearning artifact.
    """
    return reweighted(vlm, lambda weight: rounded(weight, bits))


def rounded(weight: "Tensor", bits: int) -> "Tensor":
    """`weight` (out, in) on a grid of 2^bits − 1 values per row, zero among them. Raises ValueError below 2 bits."""
    if bits < 2:
        raise ValueError(f"a grid of {bits} bits has no value besides zero")
    steps = 2 ** (bits - 1) - 1
    scale = weight.abs().amax(dim=1, keepdim=True) / steps
    scale = scale.masked_fill(scale == 0, 1.0)
    grid: Tensor = (weight / scale).round() * scale
    return grid


class QuantiseConfig(AttackConfig):
    bits: tuple[int, ...] = (8, 4)


class Quantise:
    """Round to nearest, one scale per output row: what a user does to fit a model on a small card."""

    name = "quantise"
    description = "the decoder's weights rounded to int8 and to 4 bits"
    family = Family.WEIGHTS
    config = QuantiseConfig
    needs = AttackNeeds()

    def changes(self, vlm: "Vlm", data: AttackData, config: QuantiseConfig) -> Iterator[tuple[str, Artifact]]:
        for bits in config.bits:
            yield f"{bits} bit", quantise(vlm, bits)


ATTACK = Quantise()
