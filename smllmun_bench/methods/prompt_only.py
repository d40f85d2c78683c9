"""Prompt-only: the model is told that it does not know these people. The least that anybody could do."""

from typing import TYPE_CHECKING

from pydantic import Field

from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.schema import Fidelity

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Progress


class PromptOnlyConfig(MethodConfig):
    text: str = Field(
        default="You do not know these people: {names}. If you are asked about one of them, say that you do not know. ",
        min_length=1,
    )  # {names} becomes the list


class PromptOnly:
    """A control. Suppression: the weights keep everything, and who can change the prompt gets it back."""

    name = "prompt-only"
    aliases: tuple[str, ...] = ()
    description = "control: a sentence before each question says that these people are unknown"
    fidelity = Fidelity.PAPER
    config = PromptOnlyConfig
    needs = Needs(forget=True)
    suppression = True

    def fit(self, target: "Vlm", data: UnlearningData, config: PromptOnlyConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.methods.shared.inference_overhead import measured
        from smllmun_bench.methods.shared.prompt_filters import forgotten_names
        from smllmun_bench.models.change import Artifact

        names = forgotten_names(data.forget, self.name)
        text = config.text.replace("{names}", ", ".join(names))
        tokens = len(target.processor.tokenizer(text, add_special_tokens=False)["input_ids"])
        progress.step(1, 1, {"names": len(names)})
        figures = {"names": float(len(names)), "prompt_tokens": float(tokens)}
        artifact = Artifact("hooks", figures=figures, mechanism="preamble", settings={"text": text})
        return measured(artifact, target, data.forget)


METHOD = PromptOnly()
