"""What a method is given, and what identifies an artifact: its data, its settings and its seed."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from smllmun_bench.config import Frozen
from smllmun_bench.data.refusals import refusal_pool
from smllmun_bench.data.source import Split
from smllmun_bench.methods.base import Method, MethodConfig, UnlearningData
from smllmun_bench.stages.context import VERSIONS, RunContext
from smllmun_bench.stages.loader import ModelRef
from smllmun_bench.store.hashing import digest
from smllmun_bench.store.store import Request

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact


def unlearn_inputs(
    context: RunContext, start: ModelRef, method: Method[Any], config: MethodConfig, seed: int
) -> dict[str, Any]:
    """Everything that one artifact depends on."""
    return {
        "target": start.digest,
        "method": method.name,
        "config": config.model_dump(mode="json"),
        "seed": seed,
        **_given(context),
    }


def _given(context: RunContext) -> dict[str, Any]:
    """What every method is given, identified."""
    return {
        "forget": context.data.training_digest(Split.FORGET_TRAIN, context.fold),
        "retain": context.data.training_digest(Split.RETAIN_TRAIN, context.fold),
        "refusals": digest(list(refusal_pool())),
        **context.numerics(context.loader),
    }


def unlearning_data(context: RunContext, start: ModelRef, seed: int, stop_at: int | None = None) -> UnlearningData:
    """What a method is given. What it keeps for others depends on where it stops, if that is not in its settings."""
    stop = {"stop_at": stop_at} if stop_at is not None else {}

    def reuse(name: str, inputs: Frozen, make: Callable[[], "Artifact"]) -> "Artifact":
        from smllmun_bench.models.change import Artifact

        request = Request(
            "adapter",
            VERSIONS["adapter"],
            {"name": name, "target": start.digest, "inputs": inputs.model_dump(mode="json"), **stop, **_given(context)},
        )
        return Artifact.load(context.store.get_or_make(request, lambda folder: make().save(folder)).path)

    return UnlearningData(
        context.data.training(Split.FORGET_TRAIN, context.fold),
        context.data.training(Split.RETAIN_TRAIN, context.fold),
        refusal_pool(),
        seed,
        reuse,
    )
