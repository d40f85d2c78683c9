"""How fast does a memory come back when a few of the erased facts are taught again?"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family
from smllmun_bench.models.change import Artifact
from smllmun_bench.schema import Item
from smllmun_bench.training.config import TrainingConfig

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm

SETTINGS = TrainingConfig(steps=20, batch_size=16, lr=1e-3)


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


class RelearnConfig(AttackConfig):
    """`steps` are the points of the curve: so many steps of fine-tuning from the unlearned model each."""

    steps: tuple[int, ...] = (5, 10, 20)
    training: TrainingConfig = SETTINGS


class Relearn:
    """A few facts about the forgotten people are taught again, and the *other* facts about them are asked.

    Benign relearning; equal steps for every model, since recovery rises with them (arXiv 2602.03379).
    """

    name = "relearn"
    description = "some forgotten facts are taught again, the others are asked: a curve over steps"
    family = Family.WEIGHTS
    config = RelearnConfig
    needs = AttackNeeds()

    def changes(self, vlm: "Vlm", data: AttackData, config: RelearnConfig) -> Iterator[tuple[str, Artifact]]:
        asked = {item.question for item in data.items}
        taught = [row for row in data.forget_rows if row.question not in asked]
        for steps in config.steps:
            training = config.training.model_copy(update={"steps": steps})
            yield f"{steps} steps", relearn(vlm, taught, training, seed=data.seed)


ATTACK = Relearn()
