"""The attacker may name a few: is the true answer among the likeliest?"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import PositiveInt

from smllmun_bench.attacks.base import AttackData, AttackNeeds, Curve, Family, OpenReference
from smllmun_bench.attacks.shared.candidates import CandidatesConfig, Rank, ranks

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm


class TopCandidatesConfig(CandidatesConfig):
    within: PositiveInt = 3  # so many of the likeliest candidates


class TopCandidates:
    """Of all candidates for a question the `within` likeliest are taken, by log-probability."""

    name = "top-candidates"
    description = "the true answer among the likeliest few candidates"
    family = Family.LIKELIHOOD
    config = TopCandidatesConfig
    needs = AttackNeeds()

    def read(self, vlm: "Vlm", data: AttackData, config: TopCandidatesConfig) -> Mapping[str, Rank]:
        return ranks(vlm, data, config.most)

    def figures(
        self, found: Mapping[str, Rank], references: OpenReference, data: AttackData, config: TopCandidatesConfig
    ) -> Curve:
        return {"": {item_id: float(rank.place <= config.within) for item_id, rank in found.items()}}


ATTACK = TopCandidates()
