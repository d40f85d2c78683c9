"""SMFA: a memory forgetting adapter, sculpted by a retaining anchor. arXiv 2511.20196.

Stage 1 fine-tunes the target on refusals for the forget set plus the few retain rows (the MFA, ΔW_f), and separately
on the few retain rows alone (the anchor RA, ΔW_a). Stage 2 zeroes the entries of ΔW_f that fight the anchor and
dominate it, and adds the rest. The mask is applied to dense differences, so the result is no longer low-rank.
"""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, model_validator

from smllmun_bench.config import Frozen
from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.methods.shared.mask_names import Mask
from smllmun_bench.schema import Fidelity, Modality
from smllmun_bench.training.artifact import as_artifact
from smllmun_bench.training.config import Stop, TrainingConfig

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Progress


class SmfaConfig(MethodConfig):
    """`k` and everything below it can be changed without training again."""

    anchor_training: TrainingConfig | None = None  # null: as `training`
    shared_init: bool = (
        True  # MFA and RA start from one LoRA A; with two, their signs have nothing to do with each other
    )
    layout: Literal["joint", "split"] = "joint"  # one MFA, or one for image rows and one for text rows
    combine: Literal["sum", "mean"] = "sum"  # of the two sculpted updates of `split`
    mask: Mask = "smfa"
    k: NonNegativeFloat = 5.0
    k_text: NonNegativeFloat = 10.0  # for the text MFA of `split`
    strength: NonNegativeFloat = 1.0
    share: Annotated[float, Field(ge=0, le=1)] = 0.5  # dare: dropped; ties: kept
    anchor_weight: float = 1.0

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.mask == "dare" and self.share == 1:
            raise ValueError("dare with share 1 drops everything, and what is left is divided by 0")
        if self.layout == "split" and self.training.stop.rule == "matched":
            raise ValueError("neither half of 'layout: split' forgets as much as gold does: 'stop.rule: steps'")
        return self


class _Adapter(Frozen):
    """Everything that one adapter depends on, besides model and data."""

    training: TrainingConfig
    seed: int
    init_seed: int
    part: Literal["all", "image", "text", "anchor"]


class Smfa:
    """Equations corroborated; hyperparameters second-hand; retain budget, modules and combination are ours."""

    name = "smfa"
    aliases: tuple[str, ...] = ()
    description = "Sculpted Memory Forgetting Adapter: refusal tuning, masked where it fights a retaining anchor"
    fidelity = Fidelity.RECONSTRUCTION
    config = SmfaConfig
    needs = Needs(forget=True, retain=True, refusals=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: SmfaConfig, progress: "Progress") -> "Artifact":
        import torch

        from smllmun_bench.methods.shared.sculpt import MaskSpec, diagnose, sculpt
        from smllmun_bench.models.change import Artifact

        anchor = self._adapter(target, data, config, "anchor", progress)
        parts: tuple[Literal["all", "image", "text"], ...] = ("all",) if config.layout == "joint" else ("image", "text")
        adapters = {part: self._adapter(target, data, config, part, progress) for part in parts}
        anchors = dict(anchor.deltas())
        generator = torch.Generator().manual_seed(data.seed)
        total: dict[str, Tensor] = {}
        figures: dict[str, float] = {f"anchor_{name}": value for name, value in anchor.figures.items()}
        for part, adapter in adapters.items():
            k = config.k_text if part == "text" else config.k
            spec = MaskSpec(config.mask, k, config.strength, config.share, config.anchor_weight)
            forgets = dict(adapter.deltas())
            if forgets.keys() != anchors.keys():
                raise UserError(
                    "the anchor and the forgetting adapter train different layers, so there is nothing to compare",
                    fix="the same `train` in training and in anchor_training",
                )
            for name, forget in forgets.items():
                shaped = sculpt(forget, anchors[name], spec, generator)
                total[name] = total[name] + shaped if name in total else shaped
            found = diagnose([(forget, anchors[name]) for name, forget in forgets.items()], k)
            prefix = "" if part == "all" else f"{part}_"
            figures |= {
                f"{prefix}correlation": found.correlation,
                f"{prefix}conflict_rate": found.conflict_rate,
                f"{prefix}masked": found.masked,
                f"{prefix}masked_null": found.null_masked,
                f"{prefix}energy_removed": found.energy,
                f"{prefix}energy_removed_null": found.null_energy,
            }
        if config.layout == "split" and config.combine == "mean":
            total = {name: delta / len(parts) for name, delta in total.items()}
        cost = sum((adapter.cost for adapter in adapters.values()), start=anchor.cost)
        return Artifact("delta", total, cost, figures)

    def _adapter(
        self,
        target: "Vlm",
        data: UnlearningData,
        config: SmfaConfig,
        part: Literal["all", "image", "text", "anchor"],
        progress: "Progress",
    ) -> "Artifact":
        training = config.anchor_training if part == "anchor" and config.anchor_training else config.training
        if part == "anchor":
            training = training.model_copy(update={"stop": Stop()})  # it forgets nobody
        own = {"all": 1, "image": 2, "text": 3, "anchor": 4}[part]
        init = data.seed if config.shared_init else data.seed + 1009 * own
        inputs = _Adapter(training=training, seed=data.seed, init_seed=init, part=part)
        return data.reuse("smfa-adapter", inputs, lambda: _train_adapter(target, data, inputs, progress))


def _train_adapter(target: "Vlm", data: UnlearningData, inputs: _Adapter, progress: "Progress") -> "Artifact":
    from smllmun_bench.training.loop import cross_entropy, train

    rows = {"retain": streams.retain(data, inputs.training)}
    if inputs.part != "anchor":
        wanted = {"all": set(Modality), "image": {Modality.IMAGE_TEXT}, "text": {Modality.TEXT}}[inputs.part]
        known = {item.item_id for item in data.forget if item.modality in wanted}
        if not known:
            raise UserError(
                f"there are no {inputs.part} rows to forget", where="smfa, layout: split", fix="layout: joint"
            )
        refused = [example for example in streams.refused(data, inputs.training) if example.key in known]
        rows = {"forget": refused} | rows
    update = train(
        target, rows, cross_entropy, inputs.training, seed=inputs.seed, init_seed=inputs.init_seed, progress=progress
    )
    first = {f"first_{name}": value for name, value in update.history[0].items()}
    return as_artifact(update, first)


METHOD = Smfa()
