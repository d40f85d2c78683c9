"""KUDA: find the layers that hold the facts, and turn their outputs away, but not for what retain rows feed them."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Self

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.models.parts import mlps
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact
from smllmun_bench.training.config import TrainingConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from smllmun_bench.methods.shared.null_space import Projection
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.parts import Mlp
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.examples import Example
    from smllmun_bench.training.loop import Batch, Progress, Terms


class KudaConfig(MethodConfig):
    training: TrainingConfig = TrainingConfig(lora=None)
    window: PositiveInt = 3  # neighbouring layers that are changed; a model with fewer changes all
    first_layer: NonNegativeInt | None = None  # of the window; null: where causal tracing finds the largest effect
    trace_rows: PositiveInt = 100  # forget rows to trace
    whole_ffn: bool = False  # the way down alone, or all matrices of the block
    beta: PositiveFloat = 1.0  # inverse forgetting temperature
    visual_tokens: bool = False  # deviate at image tokens as well
    tau: NonNegativeFloat = 1e-2  # threshold of the null space, in shares of the largest eigenvalue
    mode: Literal["soft", "hard"] = "soft"
    rank: PositiveInt | None = None  # directions of the covariance that are projected; null: all above the threshold
    covariance_rows: PositiveInt = 256  # retain rows, drawn with the seed
    push: NonNegativeFloat = (
        1e-2  # of a weight's standard deviation: where θ0 is left, since the gradient is zero there
    )
    retain_weight: NonNegativeFloat = 1.0
    hold_weight: NonNegativeFloat = 0.0  # on ‖v - v⁰‖² at retain tokens

    @model_validator(mode="after")
    def _whole_weights(self) -> Self:
        if self.training.lora is not None:
            raise ValueError("the null space is that of whole weights, so it needs 'training.lora: null'")
        return self


class Kuda:
    """L_f = (1/β)·mean log(1 + e^(β·cos(v, v⁰))), its steps projected; L_r = CE(y_r). After arXiv 2602.19275."""

    name = "kuda"
    aliases: tuple[str, ...] = ()
    description = "KUDA-style: traced feed-forward layers deviate, within a relaxed null space of the retain rows"
    fidelity = Fidelity.RECONSTRUCTION
    config = KudaConfig
    needs = Needs(forget=True, retain=True, gradients=True, hooks=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: KudaConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.models.cost import Cost
        from smllmun_bench.models.hooks import reading_layers
        from smllmun_bench.training.loop import LoopHooks, train

        started = time.perf_counter()
        blocks = mlps(target, (target.family.language,), self.name)
        rows = {"forget": streams.forget(data, config.training), "retain": streams.retain(data, config.training)}
        draw = random.Random(data.seed)
        first, effect, traced = _first_layer(
            target, [block.out for block in blocks], rows["forget"], data, config, draw
        )
        chosen = blocks[first : first + config.window]
        held = draw.sample(rows["retain"], min(len(rows["retain"]), config.covariance_rows))
        projections = _projections(target, chosen, held, config)
        seconds = time.perf_counter() - started
        weights = {name: weight for name, weight in target.model.named_parameters() if name in projections}
        deviation = _Deviation(target, weights, config)

        def filter_update(turn: str, name: str, change: "Tensor") -> "Tensor":
            return projections[name](change) if turn == "forget" else change

        def start(trained: "Mapping[str, nn.Parameter]") -> None:
            _push(trained, projections, config.push, data.seed)

        hooks = LoopHooks(only=list(weights), alternate=True, filter_update=filter_update, start=start)
        with reading_layers(target, [block.out for block in chosen], deviation.listen, side="output"):
            update = train(
                target, rows, deviation.loss, config.training, seed=data.seed, progress=progress, hooks=hooks
            )
        free = sum(projection.free for projection in projections.values()) / len(projections)
        figures = {"first_layer": float(first), "effect": effect, "free": free}
        return as_artifact(update, figures, Cost(traced + len(held) + deviation.forwards, seconds=seconds))


class _Deviation:
    """The loss: outputs v of the chosen blocks beside those, v⁰, that the weights of the target give.

    `forwards` counts the answers that passed for v⁰.
    """

    def __init__(self, vlm: "Vlm", weights: "Mapping[str, nn.Parameter]", config: KudaConfig) -> None:
        self._vlm, self._weights, self._config = vlm, weights, config
        self._before = {name: weight.detach().clone() for name, weight in weights.items()}
        self._outputs: list[Tensor] = []  # at the tokens that count, since the last look
        self.forwards = 0

    def listen(self, name: str, output: "Tensor") -> None:
        """What leaves a chosen block."""
        from smllmun_bench.methods.shared.token_masks import real, words
        from smllmun_bench.models.hooks import current_batch

        if not self._vlm.model.training:  # somebody asks how far training has come
            return
        packed = current_batch(self._vlm)
        inside = real(packed) if self._config.visual_tokens else words(packed, self._vlm.image_token)
        self._outputs.append(output[inside.to(output.device)])

    def loss(self, batch: "Batch") -> "Terms":
        import torch

        from smllmun_bench.training import losses

        config = self._config
        if "forget" in batch:
            found = self._pairs(batch["forget"].examples)
            cosine = torch.cat([torch.cosine_similarity(v, v0, dim=-1) for v, v0 in found])
            return {"forget": losses.deviation(cosine.float(), beta=config.beta)}
        terms = {"retain": config.retain_weight * losses.cross_entropy(batch["retain"].scores.logp)}
        if config.hold_weight:
            found = self._pairs(batch["retain"].examples)
            apart = torch.cat([(v - v0).float().square().sum(-1) for v, v0 in found])
            terms["hold"] = config.hold_weight * apart.mean()
        self._outputs.clear()
        return terms

    def _pairs(self, examples: "Sequence[Example]") -> "list[tuple[Tensor, Tensor]]":
        """(v, v⁰) of the batch that has just passed, one pair for each block (and pass)."""
        import torch

        from smllmun_bench.methods.shared.embedding_noise import score

        now = list(self._outputs)
        self._outputs.clear()
        with torch.no_grad(), _values(self._weights, self._before):
            score(self._vlm, examples)
        then = list(self._outputs)
        self._outputs.clear()
        self.forwards += len(examples)
        return list(zip(now, then, strict=True))


def _projections(
    vlm: "Vlm", blocks: "Sequence[Mlp]", held: "Sequence[Example]", config: KudaConfig
) -> "dict[str, Projection]":
    """By name of a weight, the relaxed null space of what these rows feed it."""
    from smllmun_bench.methods.shared.null_space import covariances, relaxed

    layers = [name for block in blocks for name in ((*block.into, block.out) if config.whole_ffn else (block.out,))]
    found = covariances(vlm, layers, held, batch=config.training.batch_size)
    return {
        f"{name}.weight": relaxed(covariance, config.tau, config.mode, config.rank)
        for name, covariance in found.items()
    }


def _push(
    trained: "Mapping[str, nn.Parameter]", projections: "Mapping[str, Projection]", size: float, seed: int
) -> None:
    """Leave θ0, where the gradient is zero, by a random step of `size` standard deviations of each weight."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for name, weight in trained.items():
        noise = torch.randn(weight.shape, generator=generator).to(weight.device, weight.dtype)
        weight.add_(projections[name](size * weight.std() * noise))


def _first_layer(
    vlm: "Vlm",
    layers: "Sequence[str]",
    forget: "Sequence[Example]",
    data: UnlearningData,
    config: KudaConfig,
    draw: random.Random,
) -> tuple[int, float, int]:
    """Where the window begins, the effect that was found there (0 if nothing was traced), and answers passed."""
    from smllmun_bench.methods.shared.causal_tracing import best_window, effects

    window = min(config.window, len(layers))
    if config.first_layer is not None:
        if config.first_layer + window > len(layers):
            raise UserError(
                f"kuda looked for {window} feed-forward layers from layer {config.first_layer} on; "
                f"{vlm.name} has {len(layers)}, counted from 0",
                where="first_layer",
                fix=f"at most {len(layers) - window}",
            )
        return config.first_layer, 0.0, 0
    facts = draw.sample(list(forget), min(len(forget), config.trace_rows))
    subjects = {item.item_id: item.subject for item in data.forget if item.subject}
    found = effects(vlm, layers, facts, subjects, method="kuda", seed=data.seed)
    first = best_window(found, window)
    return first, sum(found[first : first + window]), (len(layers) + 2) * len(facts)


@contextmanager
def _values(parameters: "Mapping[str, nn.Parameter]", values: "Mapping[str, Tensor]") -> Iterator[None]:
    """The parameters have these values inside the block. Their storage is swapped, so a graph that waits for its
    backward pass finds them as it left them."""
    now = {name: parameter.data for name, parameter in parameters.items()}
    try:
        for name, parameter in parameters.items():
            parameter.data = values[name]
        yield
    finally:
        for name, parameter in parameters.items():
            parameter.data = now[name]


METHOD = Kuda()
