"""Does leaving out the smallest weights bring a memory back? A forgetting of many small steps may go with them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family
from smllmun_bench.attacks.shared.weights import reweighted
from smllmun_bench.models.change import Artifact

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.models.vlm import Vlm


def pruned(weight: "Tensor", share: float) -> "Tensor":
    """`weight` with its floor(share · size) entries of least magnitude set to 0 (Han et al. 2015), layer by layer."""
    if not 0 <= share < 1:
        raise ValueError(f"a share in [0, 1) can be left out, not {share}")
    gone = weight.abs().flatten().argsort(stable=True)[: int(share * weight.numel())]
    left = weight.flatten().index_fill(0, gone, 0.0)
    return left.view_as(weight)


class PruneConfig(AttackConfig):
    """`shares`: how many of each layer's weights are set to 0, the smallest ones."""

    shares: tuple[float, ...] = (0.1, 0.3, 0.5)


class Prune:
    name = "prune"
    description = "the decoder's smallest weights left out"
    family = Family.WEIGHTS
    config = PruneConfig
    needs = AttackNeeds()

    def changes(self, vlm: "Vlm", data: AttackData, config: PruneConfig) -> Iterator[tuple[str, Artifact]]:
        for share in config.shares:
            yield f"{share:.0%}", reweighted(vlm, lambda weight, share=share: pruned(weight, share))  # type: ignore[misc]


ATTACK = Prune()
