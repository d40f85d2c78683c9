"""Name filter: no model is needed to refuse a question in which a forgotten name stands."""

import random
from typing import TYPE_CHECKING, Literal

from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.schema import Fidelity

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Progress


class NameFilterConfig(MethodConfig):
    look_at: Literal["question", "answer", "both"] = "question"  # where a forgotten name is looked for


class NameFilter:
    """A control. Suppression: the weights keep everything, and a question that avoids the name gets it."""

    name = "name-filter"
    aliases: tuple[str, ...] = ()
    description = "control: a refusal wherever a forgotten name stands in the question (or the answer)"
    fidelity = Fidelity.PAPER
    config = NameFilterConfig
    needs = Needs(forget=True, refusals=True)
    suppression = True

    def fit(self, target: "Vlm", data: UnlearningData, config: NameFilterConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.methods.shared.inference_overhead import measured
        from smllmun_bench.methods.shared.prompt_filters import forgotten_names
        from smllmun_bench.models.change import Artifact

        if not data.refusals:
            raise UserError("name-filter looked for a refusal to answer with and was given none", fix="a refusal pool")
        names = forgotten_names(data.forget, self.name)
        refusal = random.Random(data.seed).choice(data.refusals)
        progress.step(1, 1, {"names": len(names)})
        settings = {"names": names, "refusal": refusal, "look_at": config.look_at}
        figures = {"names": float(len(names))}
        artifact = Artifact("gate", figures=figures, mechanism="name-filter", settings=settings)
        return measured(artifact, target, data.forget)


METHOD = NameFilter()
