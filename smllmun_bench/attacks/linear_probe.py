"""Linear probe: does a state at the end of the question still tell the answer, to whoever has learnt to read it?

The probe learns on retained people, of whom every model knows everything, and reads the forgotten ones.
"""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import PositiveFloat, PositiveInt

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
from smllmun_bench.attacks.logit_lens import Depths
from smllmun_bench.schema import Item, Kind

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.models.vlm import Vlm


class LinearProbeConfig(AttackConfig):
    """`depths`: which layers are read, as shares of the depth. `rows`: on how many training rows about retained people
    the probe learns at most, with the ridge penalty `penalty` times their number."""

    depths: Depths = (0.25, 0.5, 0.75, 1.0)
    rows: PositiveInt = 500
    penalty: PositiveFloat = 1.0


class LinearProbe:
    """Ridge regression from the state at the end of the question to the mean embedding of the answer's tokens; the
    figure is 1 if the true answer is nearer than every wrong one. The control learns the answers of other rows."""

    name = "linear-probe"
    description = "a linear reading of the layers, learnt on retained people; control: learnt on random labels"
    family = Family.WHITE_BOX
    config = LinearProbeConfig
    needs = AttackNeeds(layers=True)

    def read(self, vlm: "Vlm", data: AttackData, config: LinearProbeConfig) -> Curve:
        from smllmun_bench.attacks.shared.states import answer_states, at_depths, layer_names, pairs_of

        names = layer_names(vlm, self.name)
        able = [item for item in data.items if item.perturbed_answers]
        draw = random.Random(data.seed)
        rows = [row for row in data.retain_rows if row.kind is Kind.OPEN]
        rows = draw.sample(rows, min(len(rows), config.rows))
        if not able or len(rows) < 2:
            raise NotApplicable("a probe needs rows about retained people to learn on, and wrong answers to tell apart")
        layers = at_depths(names, config.depths)
        chosen = [names[layer] for layer in layers.values()]
        seen = answer_states(vlm, pairs_of(rows), chosen, first=True)
        asked = answer_states(vlm, pairs_of(able), chosen, first=True)
        labels = [_embedded(vlm, row, row.answer) for row in rows]
        options = [[_embedded(vlm, item, text) for text in (item.answer, *item.perturbed_answers)] for item in able]
        mixed = draw.sample(labels, len(labels))
        found: dict[str, dict[str, float]] = {}
        for ending, taught in (("", labels), (f", {CONTROL}", mixed)):
            for number, point in enumerate(layers):
                states, theirs = ([state[number, 0] for state in part] for part in (seen, asked))
                hits = read_off(states, taught, theirs, options, config.penalty)
                found[point + ending] = {item.item_id: float(hit) for item, hit in zip(able, hits, strict=True)}
        return found

    def figures(self, found: Curve, references: OpenReference, data: AttackData, config: LinearProbeConfig) -> Curve:
        return found


def read_off(
    states: "Sequence[Tensor]",
    labels: "Sequence[Tensor]",
    asked: "Sequence[Tensor]",
    options: "Sequence[Sequence[Tensor]]",
    penalty: float,
) -> list[bool]:
    """Whether the probe that has learnt `labels` from `states` finds the first of the options in each state `asked`.

    Ridge regression on standardised states and centred labels; nearest by cosine; a tie is a miss.
    """
    import torch

    x, y = torch.stack(list(states)).double(), torch.stack(list(labels)).double()
    middle, spread, centre = x.mean(dim=0), x.std(dim=0).clamp(min=1e-6), y.mean(dim=0)
    x = (x - middle) / spread
    gram = x.T @ x + penalty * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
    weights = torch.linalg.solve(gram, x.T @ (y - centre))
    hits = []
    for state, some in zip(asked, options, strict=True):
        guess = ((state.double() - middle) / spread) @ weights
        near = torch.cosine_similarity(guess[None], torch.stack(list(some)).double() - centre)
        hits.append(bool(near[0] > near[1:].max()))
    return hits


def _embedded(vlm: "Vlm", item: Item, answer: str) -> "Tensor":
    """The mean input embedding of an answer's tokens."""
    import torch

    from smllmun_bench.attacks.shared.states import answer_ids
    from smllmun_bench.models.answering import Query

    ids = answer_ids(vlm, (Query(item.question, item.images), answer)).to(vlm.device)
    with torch.no_grad():
        mean: Tensor = vlm.model.get_input_embeddings()(ids).float().mean(dim=0).cpu()
    return mean


ATTACK = LinearProbe()
