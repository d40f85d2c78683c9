"""Logit lens: is the answer there half-way up, before later layers keep it from being said? (nostalgebraist 2020)"""

import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from smllmun_bench.attacks.base import (
    CONTROL,
    AttackConfig,
    AttackData,
    AttackNeeds,
    Curve,
    Family,
    NotApplicable,
    OpenReference,
)
from smllmun_bench.schema import Item

if TYPE_CHECKING:
    from smllmun_bench.attacks.shared.states import Pair
    from smllmun_bench.models.vlm import Vlm

Depths = tuple[Annotated[float, Field(gt=0, le=1)], ...]


class LogitLensConfig(AttackConfig):
    """`depths`: which layers are read, as shares of the depth; 1 is the last one, which is what the model says."""

    depths: Depths = (0.25, 0.5, 0.75, 1.0)


class LogitLens:
    """What leaves a layer goes through the final norm and the head; the figure is the geometric mean probability of
    the answer's tokens. The control reads the same of a wrong answer."""

    name = "logit-lens"
    description = "the answer's probability, read from the layers through the head; control: a wrong answer"
    family = Family.WHITE_BOX
    config = LogitLensConfig
    needs = AttackNeeds(layers=True)

    def read(self, vlm: "Vlm", data: AttackData, config: LogitLensConfig) -> Curve:
        from smllmun_bench.attacks.shared.states import at_depths, layer_names, pairs_of

        names = layer_names(vlm, self.name)
        layers = at_depths(names, config.depths)
        wrong = wrong_answers(data.items, data.seed)
        pairs = pairs_of(data.items)
        others = [(query, wrong[item.item_id]) for item, (query, _) in zip(data.items, pairs, strict=True)]
        found: dict[str, dict[str, float]] = {}
        for ending, asked in (("", pairs), (f", {CONTROL}", others)):
            rows = _through_the_head(vlm, asked, [names[layer] for layer in layers.values()])
            for number, point in enumerate(layers):
                means = (row[number] for row in rows)
                known = {item.item_id: math.exp(mean) for item, mean in zip(data.items, means, strict=True)}
                found[point + ending] = known
        return found

    def figures(self, found: Curve, references: OpenReference, data: AttackData, config: LogitLensConfig) -> Curve:
        return found


def wrong_answers(items: Sequence[Item], seed: int) -> dict[str, str]:
    """Of each item one wrong answer: of those it brings, else another item's. Raises NotApplicable if there is none."""
    wrong = {}
    for item in items:
        others = sorted({other.answer for other in items} - {item.answer, *item.accepted})
        pool = item.perturbed_answers or others
        if not pool:
            raise NotApplicable("there is no wrong answer to hold the right one against")
        wrong[item.item_id] = random.Random(f"{seed}/{item.item_id}").choice(pool)
    return wrong


def _through_the_head(vlm: "Vlm", pairs: "Sequence[Pair]", names: Sequence[str]) -> list[list[float]]:
    """Of each pair, by layer: the mean log-probability of the answer's tokens in nats."""
    import torch

    from smllmun_bench.attacks.shared.states import answer_ids, answer_states
    from smllmun_bench.models.parts import final_norm

    norm, head = final_norm(vlm, LogitLens.name), vlm.model.get_output_embeddings()
    rows = []
    with torch.no_grad():
        for pair, states in zip(pairs, answer_states(vlm, pairs, names), strict=True):
            ids = answer_ids(vlm, pair).to(vlm.device)
            logp = torch.log_softmax(head(norm(states.to(vlm.device, vlm.dtype))).float(), dim=-1)
            at = ids[None, :, None].expand(len(names), -1, 1)
            rows.append(logp.gather(2, at).squeeze(2).double().mean(dim=1).tolist())
    return rows


ATTACK = LogitLens()
