"""The streams that several methods train on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from smllmun_bench.config import Frozen
from smllmun_bench.models.change import Artifact
from smllmun_bench.training.config import TrainingConfig
from smllmun_bench.training.examples import Example, from_items, refusing

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.methods.base import UnlearningData
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Progress


def forget(data: "UnlearningData", config: TrainingConfig) -> list[Example]:
    """The forget set with its true answers."""
    return from_items(data.forget, paraphrases=config.paraphrases)


def retain(data: "UnlearningData", config: TrainingConfig) -> list[Example]:
    """The few retain rows with their true answers."""
    return from_items(data.retain, paraphrases=config.paraphrases)


def refused(data: "UnlearningData", config: TrainingConfig) -> list[Example]:
    """The forget questions, each answered by one refusal of the pool."""
    return refusing(forget(data, config), data.refusals, data.seed)


def answer_ids(vlm: "Vlm", examples: Sequence[Example], owner: "Tensor") -> "Tensor":
    """The id of every answer token, EOS included, in the order of `owner` (tokens), which names the example of each."""
    import torch

    ids = torch.empty_like(owner)
    for index, example in enumerate(examples):
        encoded = vlm.encode(*example.pair)
        ids[owner == index] = torch.tensor(encoded.ids[encoded.answer_start :], device=owner.device)
    return ids


class _TaskVector(Frozen):
    """Everything that a task vector depends on, besides model and data."""

    training: TrainingConfig
    seed: int
    part: Literal["forget", "retain"]


def task_vector(
    target: "Vlm",
    data: "UnlearningData",
    training: TrainingConfig,
    part: Literal["forget", "retain"],
    progress: "Progress",
) -> Artifact:
    """The task vector τ = θ_ft(D) - θ0 of one part of the data: what fine-tuning on its true answers changes."""
    inputs = _TaskVector(training=training, seed=data.seed, part=part)

    def make() -> Artifact:
        from smllmun_bench.training.artifact import as_artifact
        from smllmun_bench.training.loop import cross_entropy, train

        rows: dict[str, list[Example]] = {part: (forget if part == "forget" else retain)(data, training)}
        return as_artifact(train(target, rows, cross_entropy, training, seed=data.seed, progress=progress))

    return data.reuse("task-vector", inputs, make)
