"""How far in front the true answer stands among all that could be true."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from smllmun_bench.attacks.base import AttackData, AttackNeeds, Curve, Family, OpenReference
from smllmun_bench.attacks.shared.candidates import CandidatesConfig, Rank, exposure, ranks

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm


class ExposureConfig(CandidatesConfig):
    """Candidates are other people's answers to the same question and the item's wrong ones."""


class Exposure:
    """Carlini et al. 2019 (arXiv 1802.08232): log₂|R| − log₂ rank, here over log₂|R|, so 1 is the likeliest of all."""

    name = "exposure"
    description = "rank of the true answer among candidates, as a share of the most it can expose"
    family = Family.LIKELIHOOD
    config = ExposureConfig
    needs = AttackNeeds()

    def read(self, vlm: "Vlm", data: AttackData, config: ExposureConfig) -> Mapping[str, Rank]:
        return ranks(vlm, data, config.most)

    def figures(
        self, found: Mapping[str, Rank], references: OpenReference, data: AttackData, config: ExposureConfig
    ) -> Curve:
        return {"": {item_id: exposure(rank) for item_id, rank in found.items()}}


ATTACK = Exposure()
