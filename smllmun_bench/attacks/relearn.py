"""How fast does a memory come back when a few of the erased facts are taught again?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
