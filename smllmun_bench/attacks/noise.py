"""Does a little noise on the weights bring a memory back? What was only masked may be finely balanced."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family
from smllmun_bench.attacks.shared.weights import reweighted
from smllmun_bench.models.change import Artifact

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.models.vlm import Vlm


def noised(vlm: "Vlm", level: float, seed: int) -> Artifact:
    """The change that adds Gaussian noise of standard deviation `level` · std(W) to every weight W of the decoder's
    linear layers. The same draws for every model of these shapes."""
    import torch

    draw = torch.Generator().manual_seed(seed)

    def shaken(weight: "Tensor") -> "Tensor":
        noise = torch.randn(weight.shape, generator=draw).to(weight.device)
        return weight + level * weight.std() * noise

    return reweighted(vlm, shaken)


class NoiseConfig(AttackConfig):
    """`levels`: standard deviation of the noise as a share of the weights' own, layer by layer."""

    levels: tuple[float, ...] = (0.01, 0.05, 0.1)


class Noise:
    name = "noise"
    description = "small Gaussian noise on the decoder's weights"
    family = Family.WEIGHTS
    config = NoiseConfig
    needs = AttackNeeds()

    def changes(self, vlm: "Vlm", data: AttackData, config: NoiseConfig) -> Iterator[tuple[str, Artifact]]:
        for level in config.levels:
            yield f"{level:g} std", noised(vlm, level, data.seed)


ATTACK = Noise()
