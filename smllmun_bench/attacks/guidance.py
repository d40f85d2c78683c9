"""Before and after: what was unlearned is where the two checkpoints differ (arXiv 2505.24379).

Whoever kept the target from before the request guides the model by it: log p = log p_after + w·(log p_before −
log p_after). Even exact retraining gives something away like this, so gold's column is not at chance.
"""

from typing import TYPE_CHECKING

from pydantic import PositiveFloat

from smllmun_bench.attacks.base import (
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
    from smllmun_bench.models.vlm import Vlm

Options = list[list[float]]
"""Of each item the log-probability of the true answer, then of each wrong one, in nats."""


class GuidanceConfig(AttackConfig):
    """`weights`: w, one point each; 1 is the target alone, above 1 the difference of the two is continued."""

    weights: tuple[PositiveFloat, ...] = (2.0,)


class Guidance:
    """The figure is 1 if the true answer is the likeliest of an item's answers under the guided model."""

    name = "guidance"
    description = "the model guided by the target from before: the true answer among wrong ones"
    family = Family.BEFORE_AFTER
    config = GuidanceConfig
    needs = AttackNeeds(references=True)

    def read(self, vlm: "Vlm", data: AttackData, config: GuidanceConfig) -> Options:
        return _options(vlm, able(data))

    def figures(self, found: Options, references: OpenReference, data: AttackData, config: GuidanceConfig) -> Curve:
        items = able(data)
        with references("target") as vlm:
            before = _options(vlm, items)
        return {
            f"w = {weight:g}": {
                item.item_id: float(guided_first(ours, theirs, weight))
                for item, ours, theirs in zip(items, found, before, strict=True)
            }
            for weight in config.weights
        }


def guided_first(after: list[float], before: list[float], weight: float) -> bool:
    """Whether the first answer is the likeliest under log p_after + w·(log p_before − log p_after); a tie is a miss."""
    guided = [ours + weight * (theirs - ours) for ours, theirs in zip(after, before, strict=True)]
    return guided[0] > max(guided[1:])


def able(data: AttackData) -> list[Item]:
    """The items with wrong answers. Raises NotApplicable if there is none."""
    found = [item for item in data.items if item.perturbed_answers]
    if not found:
        raise NotApplicable("no item has wrong answers to choose among")
    return found


def _options(vlm: "Vlm", items: list[Item]) -> Options:
    from smllmun_bench.models.answering import Query

    answers = [(item.answer, *item.perturbed_answers) for item in items]
    pairs = [
        (Query(item.question, item.images), text) for item, some in zip(items, answers, strict=True) for text in some
    ]
    rows = iter(vlm.answer_logprobs(pairs))
    return [[sum(next(rows)) for _ in some] for some in answers]


ATTACK = Guidance()
