"""Retain fine-tuning: more training on what should stay. What it forgets, it forgets passively."""

from typing import TYPE_CHECKING

from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Progress


class RetainFt:
    """L = CE(y_r)."""

    name = "retain-ft"
    aliases: tuple[str, ...] = ()
    description = "fine-tuning on the few retain rows only: passive forgetting"
    fidelity = Fidelity.PAPER
    config = MethodConfig
    needs = Needs(retain=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: MethodConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.training.loop import cross_entropy, train

        rows = {"retain": streams.retain(data, config.training)}
        update = train(target, rows, cross_entropy, config.training, seed=data.seed, progress=progress)
        return as_artifact(update)


METHOD = RetainFt()
