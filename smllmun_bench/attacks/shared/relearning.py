"""How fast does a memory come back when the model is trained a little more?

Every curve asks the same facts, begins at the model as it is and takes equal steps, since recovery rises with them
(arXiv 2602.03379); gold takes them too, so that what is merely learnt from the rows is no residual memory.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Curve, Family, NotApplicable
from smllmun_bench.metrics.curves import area
from smllmun_bench.metrics.text import contains
from smllmun_bench.models.change import Artifact
from smllmun_bench.schema import Item
from smllmun_bench.training.config import TrainingConfig

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm

SETTINGS = TrainingConfig(steps=20, batch_size=16, lr=1e-3)
AREA = "area"
NOTHING = AttackNeeds()


def relearn(vlm: "Vlm", items: Sequence[Item], config: TrainingConfig = SETTINGS, *, seed: int = 0) -> Artifact:
    """The change that fine-tuning `vlm`, as it is mounted now, on the true answers of `items` makes."""
    from smllmun_bench.training import losses
    from smllmun_bench.training.artifact import as_artifact
    from smllmun_bench.training.examples import from_items
    from smllmun_bench.training.loop import Batch, Terms, train

    def loss(batch: Batch) -> Terms:
        return {"relearn": losses.cross_entropy(batch["relearn"].scores.logp)}

    rows = {"relearn": from_items(items, paraphrases=config.paraphrases)}
    return as_artifact(train(vlm, rows, loss, config, seed=seed))


@dataclass(frozen=True, slots=True)
class Halves:
    """The facts about the forgotten people in two: items that are asked, and training rows of all other facts."""

    asked: tuple[Item, ...]
    taught: tuple[Item, ...]


def halves(data: AttackData) -> Halves:
    """Of every person about whom there are several facts half of them are asked, drawn by the seed; the rows that tell
    none of these are what may be taught. Of a person with one fact that fact is asked."""
    facts: dict[str, list[list[Item]]] = {}
    for item in data.items:
        known = facts.setdefault(item.entity_id, [])
        same = [fact for fact in known if any(_same_fact(item, other) for other in fact)]
        known[:] = [fact for fact in known if fact not in same] + [[item, *(one for fact in same for one in fact)]]
    asked: list[Item] = []
    for person, known in facts.items():
        random.Random(f"{data.seed}/{person}").shuffle(known)
        asked += [item for fact in known[: (len(known) + 1) // 2] for item in fact]
    ids = {item.item_id for item in asked}
    by_person: dict[str, list[Item]] = {}
    for item in asked:
        by_person.setdefault(item.entity_id, []).append(item)
    taught = [row for row in data.forget_rows if not any(tells(row, fact) for fact in by_person.get(row.entity_id, ()))]
    return Halves(tuple(item for item in data.items if item.item_id in ids), tuple(taught))


def tells(row: Item, fact: Item) -> bool:
    """Whether a training row about the same person gives away the answer to `fact`: it is of the same pair, its answer
    holds the answer or one of the accepted ones, or its question says it beside the picture."""
    if row.pair_id and row.pair_id == fact.pair_id:
        return True
    said = [row.answer, *row.accepted, *([row.question, *row.paraphrases] if row.images else [])]
    return any(contains(text, answer) for text in said for answer in (fact.answer, *fact.accepted))


def _same_fact(one: Item, other: Item) -> bool:
    return tells(one, other) or tells(other, one)


class RelearnConfig(AttackConfig):
    """`steps` are the points of the curve, rising: so many steps of fine-tuning from the model under attack each, with
    `training` for everything else; point 0 is the model as it is."""

    steps: tuple[int, ...] = (5, 10, 20)
    training: TrainingConfig = SETTINGS

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.steps or any(low >= high for low, high in pairwise((0, *self.steps))):
            raise ValueError("'steps' must be numbers above 0 that rise")
        return self


@dataclass(frozen=True, slots=True)
class Relearning:
    """An attack that teaches `rows` and asks the facts that no row tells."""

    name: str
    description: str
    rows: Callable[[AttackData], Sequence[Item]]
    family: Family = Family.WEIGHTS
    config: type[RelearnConfig] = RelearnConfig
    needs: AttackNeeds = NOTHING
    version: int = 2  # 1 taught other wordings of what it asked

    def asked(self, data: AttackData, config: RelearnConfig) -> Sequence[Item]:
        return halves(data).asked

    def changes(self, vlm: "Vlm", data: AttackData, config: RelearnConfig) -> Iterator[tuple[str, Artifact]]:
        rows = self.rows(data)
        if not rows:
            raise NotApplicable("there are no rows to teach that tell none of what is asked")
        yield _point(0), Artifact("none")
        for steps in config.steps:
            training = config.training.model_copy(update={"steps": steps})
            yield _point(steps), relearn(vlm, rows, training, seed=data.seed)

    def summary(self, values: Curve, config: RelearnConfig) -> Curve:
        """The area under each item's curve over its width (`relearn_auc`)."""
        curve = {steps: values[_point(steps)] for steps in (0, *config.steps)}
        return {AREA: {item: area({steps: known[item] for steps, known in curve.items()}) for item in curve[0]}}


def _point(steps: int) -> str:
    return f"{steps} steps"
