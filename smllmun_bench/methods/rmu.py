"""RMU: inside the model, forget answers are steered to one random direction and retain answers held in place."""

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.models.parts import decoder_layers, mlps
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact
from smllmun_bench.training.config import TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import AnswerScores, Vlm
    from smllmun_bench.training.examples import Example
    from smllmun_bench.training.loop import Batch, Progress, Terms


class RmuConfig(MethodConfig):
    training: TrainingConfig = TrainingConfig(lora=None)
    layer: NonNegativeInt | None = None  # decoder block whose output is steered, from 0; null: by `depth`
    depth: Annotated[float, Field(ge=0, lt=1)] = 0.35  # as a share of all blocks
    updated: PositiveInt = 3  # blocks whose down-projection is trained: `layer` and those before it
    scale: PositiveFloat = 5.0  # c, in median norms of the states of retain answers at that block
    coefficient: PositiveFloat | None = None  # c itself, in place of `scale`
    retain_weight: NonNegativeFloat = 1.0  # α

    @model_validator(mode="after")
    def _whole_weights(self) -> Self:
        if self.training.lora is not None:
            raise ValueError("rmu trains a few down-projections as whole weights: 'training.lora: null'")
        return self


class Rmu:
    """L = E‖h(x_f) - c·u‖² + α·E‖h(x_r) - h_θ0(x_r)‖². Li et al. 2024 (WMDP), arXiv 2403.03218."""

    name = "rmu"
    aliases: tuple[str, ...] = ()
    description = "representation misdirection: hidden states of forget answers go to a random vector, retain ones stay"
    fidelity = Fidelity.PAPER
    config = RmuConfig
    needs = Needs(forget=True, retain=True, gradients=True, hooks=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: RmuConfig, progress: "Progress") -> "Artifact":
        import torch

        from smllmun_bench.methods.shared.answer_states import answer_states
        from smllmun_bench.training import losses
        from smllmun_bench.training.loop import LoopHooks, train
        from smllmun_bench.training.reference import Reference

        layers = decoder_layers(target, self.name)
        layer = round(config.depth * len(layers)) if config.layer is None else config.layer
        if layer >= len(layers):
            raise UserError(
                f"rmu was to steer block {layer}, and the language model has {len(layers)}, counted from 0",
                fix="a smaller `layer`, or null for `depth`",
            )
        steered = range(max(0, layer - config.updated + 1), layer + 1)
        prefixes = [f"{target.family.language}.layers.{number}" for number in steered]
        weights = [f"{block.out}.weight" for block in mlps(target, prefixes, self.name)]

        rows = {"forget": streams.forget(data, config.training), "retain": streams.retain(data, config.training)}
        norms: list[Tensor] = []
        before = Reference(target)
        with answer_states(target, layers[layer]) as heard:

            def states(batch: "Sequence[Example]", scores: "AnswerScores") -> "Tensor":
                found = heard.take()
                norms.append(found.norm(dim=-1).cpu())
                return found

            known = before.per_token(rows["retain"], states)
            norm = torch.cat(norms).median().item()
            c = config.scale * norm if config.coefficient is None else config.coefficient
            goal = c * direction(target.model.config.get_text_config().hidden_size, data.seed).to(target.device)

            def loss(batch: "Batch") -> "Terms":
                now = heard.take()
                away, held = batch["forget"], batch["retain"]
                still = known(held.examples, held.scores.owner)
                return {
                    "forget": losses.state_distance(now[away.places], goal, away.scores.owner, away.scores.count),
                    "retain": config.retain_weight
                    * losses.state_distance(now[held.places], still, held.scores.owner, held.scores.count),
                }

            hooks = LoopHooks(only=weights)
            update = train(target, rows, loss, config.training, seed=data.seed, progress=progress, hooks=hooks)
        return as_artifact(update, {"layer": float(layer), "coefficient": c, "median_norm": norm}, before.cost)


def direction(width: int, seed: int) -> "Tensor":
    """u = r/‖r‖ with r uniform in [0, 1): all its entries are positive, as in the authors' recipe."""
    import torch

    drawn = torch.rand(width, generator=torch.Generator().manual_seed(seed))
    unit: Tensor = drawn / drawn.norm()
    return unit


METHOD = Rmu()
