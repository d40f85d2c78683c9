"""MANU: prune the neurons that fire for the forget set and not for the retain rows. No gradient, no training."""

import random
import time
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.models.parts import Mlp, mlps
from smllmun_bench.schema import Fidelity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from smllmun_bench.methods.shared.neuron_importance import Statistics
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.examples import Example
    from smllmun_bench.training.loop import Progress


class ManuConfig(MethodConfig):
    """`training` counts for `batch_size` and `paraphrases` alone."""

    form: Literal["paper", "code"] = "paper"  # which of two published scores
    share: Annotated[float, Field(gt=0, le=1)] = 0.02  # of all neurons that are pruned
    where: Literal["language", "vision", "both"] = "language"
    threshold: NonNegativeFloat = 0.1  # |activation| above which a neuron counts as active
    rows: PositiveInt | None = 512  # of each set and form, drawn with the seed; null: all

    @model_validator(mode="after")
    def _tower_sees_no_text(self) -> Self:
        if self.form == "paper" and self.where != "language":
            raise ValueError(
                "'form: paper' compares pictures with text, and the vision tower sees no text: "
                "where: language, or form: code"
            )
        return self


class Manu:
    """Zeroes the top α % of MLP neurons by relative importance. Liu et al. 2025, arXiv 2502.15910."""

    name = "manu"
    aliases: tuple[str, ...] = ()
    description = "modality-aware neuron pruning: zero the neurons that matter to forget rows most; no training"
    fidelity = Fidelity.PAPER
    config = ManuConfig
    needs = Needs(forget=True, retain=True, images=True, hooks=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: ManuConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.methods.shared.neuron_importance import measure, paper_importance, relative, top
        from smllmun_bench.models.change import Artifact
        from smllmun_bench.models.cost import Cost

        started = time.perf_counter()
        parts: tuple[Literal["language", "vision"], ...] = (
            ("language", "vision") if config.where == "both" else (config.where,)
        )
        blocks = {part: mlps(target, _prefixes(target, part), self.name) for part in parts}
        sets = {"forget": streams.forget(data, config.training), "retain": streams.retain(data, config.training)}
        found: dict[tuple[str, str, str], dict[str, Statistics]] = {}
        seen = 0
        todo = [(name, form) for name in sets for form in ("picture", "text")]
        for done, (name, form) in enumerate(todo, start=1):
            rows = _rows(sets[name], form, name, config.rows, data.seed)
            for part in parts:
                sites = _sites(blocks[part], config.form)
                found[part, name, form] = measure(
                    target, sites, rows, batch=config.training.batch_size, threshold=config.threshold
                )
                seen += len(rows)
            progress.step(done, len(todo), {})

        deltas: dict[str, Tensor] = {}
        pruned = neurons = 0
        for part in parts:
            if config.form == "paper":
                forget, retain = (
                    paper_importance(found[part, name, "picture"], found[part, name, "text"]) for name in sets
                )
                scores = {site: forget[site] / (retain[site] + 1e-8) for site in forget}
            else:
                form = "picture" if part == "vision" else "text"
                scores = relative(found[part, "forget", form], found[part, "retain", form])
            chosen = top(scores, config.share)
            pruned += sum(len(indices) for indices in chosen.values())
            neurons += sum(len(score) for score in scores.values())
            deltas |= _zeroing(target, blocks[part], config.form, chosen)
        cost = Cost(forwards=seen, seconds=time.perf_counter() - started)
        return Artifact("delta", deltas, cost, {"neurons": float(neurons), "pruned": float(pruned)})


def _prefixes(vlm: "Vlm", part: str) -> tuple[str, ...]:
    return (vlm.family.language,) if part == "language" else vlm.family.vision


def _rows(examples: "Sequence[Example]", form: str, name: str, count: int | None, seed: int) -> "list[Example]":
    rows = [example for example in examples if bool(example.images) == (form == "picture")]
    if not rows:
        raise UserError(
            f"manu compares rows with and without a picture, and none of the {name} rows is a {form} row",
            fix="a task that asks each fact both ways",
        )
    return random.Random(seed).sample(rows, min(len(rows), count or len(rows)))


def _sites(blocks: "Sequence[Mlp]", form: str) -> dict[str, bool]:
    """Linear layers to listen to -> at their input (the neurons of a block) rather than their output."""
    if form == "paper":
        return {block.out: True for block in blocks}
    return {name: False for block in blocks for name in (*block.into, block.out)}


def _zeroing(vlm: "Vlm", blocks: "Sequence[Mlp]", form: str, chosen: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """Minus the weights of the chosen neurons: rows into them and, in the paper's form, the column out of them."""
    import torch

    parameters = dict(vlm.model.named_parameters())
    by_out = {block.out: block for block in blocks}
    deltas: dict[str, Tensor] = {}

    def erase(name: str, indices: "Tensor", *, column: bool = False) -> None:
        if name in parameters and len(indices):
            weight = parameters[name].detach().float().cpu()
            delta = deltas.setdefault(name, torch.zeros_like(weight))
            index = (slice(None), indices) if column else (indices,)
            delta[index] = -weight[index]

    for site, indices in chosen.items():
        rows = by_out[site].into if form == "paper" else (site,)
        for name in rows:
            erase(f"{name}.weight", indices)
            erase(f"{name}.bias", indices)
        if form == "paper":
            erase(f"{site}.weight", indices, column=True)
    return deltas


METHOD = Manu()
