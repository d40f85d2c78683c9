"""The share of the answer's tokens that the model would choose itself, the ones before them given."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import PositiveInt

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Curve, Family, OpenReference
from smllmun_bench.metrics.probability import exact_memorisation
from smllmun_bench.models.answering import Query

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm


class ExactMemorisationConfig(AttackConfig):
    batch: PositiveInt = 16  # answers in one pass


class ExactMemorisation:
    """Tirumala et al. 2022 (arXiv 2205.10770), teacher-forced, the token that ends the answer left out.

    An answer that a prompt filter would refuse has none of its tokens chosen.
    """

    name = "exact-memorisation"
    description = "share of the answer's tokens that are the likeliest, the ones before them given"
    family = Family.LIKELIHOOD
    config = ExactMemorisationConfig
    needs = AttackNeeds()

    def read(self, vlm: "Vlm", data: AttackData, config: ExactMemorisationConfig) -> Mapping[str, float]:
        found: dict[str, float] = {}
        for at in range(0, len(data.items), config.batch):
            some = data.items[at : at + config.batch]
            right = likeliest(vlm, [(Query(item.question, item.images), item.answer) for item in some])
            for item, tokens in zip(some, right, strict=True):
                share = exact_memorisation(tokens[:-1])
                if share is not None:
                    found[item.item_id] = share
        return found

    def figures(
        self, found: Mapping[str, float], references: OpenReference, data: AttackData, config: ExactMemorisationConfig
    ) -> Curve:
        return {"": found}


def likeliest(vlm: "Vlm", pairs: list[tuple[Query, str]]) -> list[list[bool]]:
    """For each token of each answer, its end included: whether the model would choose it."""
    import torch

    with torch.inference_mode():
        scores = vlm.score_pairs(pairs)
        best = torch.log_softmax(scores.logits, dim=-1).amax(dim=-1)
        chosen = (scores.logp >= best).tolist()
    rows: list[list[bool]] = [[] for _ in pairs]
    for owner, right in zip(scores.owner.tolist(), chosen, strict=True):
        rows[owner].append(right)
    return [
        [False] * len(row)
        if any(f.refuse(q, said) is not None for f in vlm.prompt_filters for said in (None, a))
        else row
        for row, (q, a) in zip(rows, pairs, strict=True)
    ]


ATTACK = ExactMemorisation()
