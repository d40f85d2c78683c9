"""GA: gradient ascent on the forget set and nothing else. A lower bound: it collapses when run long."""

from typing import TYPE_CHECKING

from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Batch, Progress, Terms


class Ga:
    """L = -CE(y_f). Maini et al. 2024 (TOFU)."""

    name = "ga"
    aliases: tuple[str, ...] = ()
    description = "gradient ascent on the forget set"
    fidelity = Fidelity.PAPER
    config = MethodConfig
    needs = Needs(forget=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: MethodConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.training import losses
        from smllmun_bench.training.loop import train

        def loss(batch: "Batch") -> "Terms":
            return {"forget": losses.gradient_ascent(batch["forget"].scores.logp)}

        rows = {"forget": streams.forget(data, config.training)}
        return as_artifact(train(target, rows, loss, config.training, seed=data.seed, progress=progress))


METHOD = Ga()
