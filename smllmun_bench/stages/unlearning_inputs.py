"""What a method is given, and what identifies an artifact: its data, its settings and its seed."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from smllmun_bench.config import Frozen
from smllmun_bench.data.refusals import refusal_pool
from smllmun_bench.data.source import Split
from smllmun_bench.methods.base import Method, MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.base import check_needs as check
from smllmun_bench.models.folder import is_quantised
from smllmun_bench.stages.context import VERSIONS, RunContext
from smllmun_bench.stages.loader import ModelRef
from smllmun_bench.store.hashing import digest
from smllmun_bench.store.store import Request

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.stages.method_recipes import Chosen


def unlearn_inputs(
    context: RunContext, start: ModelRef, method: Method[Any], config: MethodConfig, seed: int
) -> dict[str, Any]:
    """Everything that one artifact depends on."""
    return {
        "target": start.digest,
        "method": method.name,
        "config": config.model_dump(mode="json"),
        "seed": seed,
        **_given(context, config.needed(method.needs)),
    }


def _given(context: RunContext, needs: Needs) -> dict[str, Any]:
    """What every method is given, identified; general questions for one that needs them."""
    general = context.data.general_training() if needs.general else []
    return {
        **({"general": context.data.evaluation_digest(general)} if needs.general else {}),
        "forget": context.data.training_digest(Split.FORGET_TRAIN, context.fold),
        "retain": context.data.training_digest(Split.RETAIN_TRAIN, context.fold),
        "refusals": digest(list(refusal_pool())),
        **context.numerics(context.loader),
    }


def unlearning_data(
    context: RunContext, start: ModelRef, seed: int, needs: Needs, stop_at: int | None = None
) -> UnlearningData:
    """What a method is given. What it keeps for others depends on where it stops, if that is not in its settings."""
    stop = {"stop_at": stop_at} if stop_at is not None else {}

    def reuse(name: str, inputs: Frozen, make: Callable[[], "Artifact"]) -> "Artifact":
        from smllmun_bench.models.change import Artifact

        request = Request(
            "adapter",
            VERSIONS["adapter"],
            {"name": name, "target": start.digest, "inputs": inputs.model_dump(mode="json"), **stop}
            | _given(context, needs),
        )
        return Artifact.load(context.store.get_or_make(request, lambda folder: make().save(folder)).path)

    return replace(_rows(context, needs), seed=seed, reuse=reuse)


def _rows(context: RunContext, needs: Needs) -> UnlearningData:
    return UnlearningData(
        context.data.training(Split.FORGET_TRAIN, context.fold),
        context.data.training(Split.RETAIN_TRAIN, context.fold),
        refusal_pool(),
        general=context.data.general_training() if needs.general else (),
    )


def check_needs(context: RunContext, chosen: "Iterable[Chosen]") -> None:
    """Raises UserError, before any model is loaded, if a method needs what the task or the model does not have."""
    path = context.card.target or context.card.path
    check(
        ((choice.method, choice.config) for choice in chosen),
        cache(partial(_rows, context)),
        trainable=path is None or not is_quantised(path),
        where=f"task {context.task.name!r}, model {context.card.name!r}",
    )
