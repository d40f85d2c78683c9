"""MLLMEraser: while a prompt is read, questions of the forget set are steered towards refusal; nothing is trained."""

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared.pgd import Pgd
from smllmun_bench.models.cost import Cost
from smllmun_bench.schema import Fidelity, Item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Query, Vlm
    from smllmun_bench.training.loop import Progress

INSTRUCTION = "You must not answer the next question. Say that you do not know the answer. "


class MllmEraserConfig(MethodConfig):
    strength: NonNegativeFloat = 0.25  # λ
    null_share: Annotated[float, Field(gt=0, le=1)] = 0.3  # ρ: of the width, kept free of the retain rows
    ridge: PositiveFloat = 0.1  # γ
    first_layer: NonNegativeInt = 1  # blocks from this one on are steered, counted from 0
    skipped: tuple[NonNegativeInt, ...] = ()  # but not these
    at: Literal["input", "output"] = "input"  # output: where the authors' code for Qwen2.5-VL adds, gate from the input
    refused: Literal["instruction", "strangers"] = "instruction"  # what the erasure side of the direction is
    pairs: PositiveInt = 17  # of prompts, for the direction
    pgd: Pgd | None = None  # recall side: the refused prompts with pictures that make the model answer all the same

    @model_validator(mode="after")
    def _pictures(self) -> Self:
        if self.pgd is not None and self.refused == "strangers":
            raise ValueError(
                "'refused: strangers' is asked in words, and 'pgd' changes pictures: 'refused: instruction'"
            )
        return self

    def needed(self, usually: Needs) -> Needs:
        return replace(usually, images="retain") if self.pgd is not None else usually


class MllmEraser:
    """h_t ← h_t + λ (h_last W_l) on each prompt token, W_l = u_l d_l. Ding et al. 2025, arXiv 2510.04217."""

    name = "mllmeraser"
    aliases: tuple[str, ...] = ()
    description = "steering towards refusal while the prompt is read, by a gate that is blind to retained questions"
    fidelity = Fidelity.PAPER
    config = MllmEraserConfig
    needs = Needs(forget=True, retain=True, hooks=True)
    suppression = True

    def fit(self, target: "Vlm", data: UnlearningData, config: MllmEraserConfig, progress: "Progress") -> "Artifact":
        import torch

        from smllmun_bench.methods.shared.inference_overhead import asked, measured
        from smllmun_bench.methods.shared.prompt_states import entering
        from smllmun_bench.methods.shared.steering import gate_vector, null_basis
        from smllmun_bench.models.change import Artifact
        from smllmun_bench.models.parts import decoder_layers

        start, wordings = time.perf_counter(), config.training.paraphrases
        count, width = len(decoder_layers(target, self.name)), target.model.config.get_text_config().hidden_size
        layers = [layer for layer in range(config.first_layer, count) if layer not in config.skipped]
        if not layers or int(config.null_share * width) == 0:
            raise UserError(
                f"mllmeraser looked for blocks from {config.first_layer} on, of {count}, and for {config.null_share:g} "
                f"of {width} directions, and one of them is none",
                fix="a smaller `first_layer`, a larger `null_share`",
            )
        forget, retain = asked(data.forget, wordings), asked(data.retain, wordings)
        hidden_forget = entering(target, forget, layers, self.name)
        hidden_retain = entering(target, retain, layers, self.name)
        toward, passes = self._direction(target, data, config, layers)
        if not any(bool(direction.any()) for direction in toward):
            raise UserError(
                f"mllmeraser looked for what tells refused prompts from answered ones in blocks {layers[0]} to "
                f"{layers[-1]} and found nothing: whatever differs lies further back than their last token sees there",
                fix="a larger `first_layer` (behind blocks that see the whole prompt), or `pgd: null`",
            )
        gates = []
        for number, layer in enumerate(layers):
            basis = null_basis(hidden_retain[layer], config.null_share)
            gates.append(gate_vector(hidden_forget[layer], basis, config.ridge))
            progress.step(number + 1, len(layers), {})
        tensors = {"gate": torch.stack(gates).float(), "direction": torch.stack(toward).float()}
        figures = self._openings(target, data, layers, gates, hidden_forget, hidden_retain, wordings)
        cost = Cost(len(forget) + len(retain), 0, time.perf_counter() - start) + passes
        settings = {"layers": layers, "strength": config.strength, "at": config.at}
        artifact = Artifact("hooks", tensors, cost, figures, mechanism="steering", settings=settings)
        return measured(artifact, target, data.forget)

    def _direction(
        self, target: "Vlm", data: UnlearningData, config: MllmEraserConfig, layers: "Sequence[int]"
    ) -> "tuple[list[Tensor], Cost]":
        """d_l = mean over refused prompts − mean over answered prompts, and what it cost."""
        from smllmun_bench.methods.shared.pgd import perturbed
        from smllmun_bench.methods.shared.prompt_states import entering

        rows = self._contrast(data, config)
        answered = [query for query, _, _ in rows]
        refused = [query for _, query, _ in rows]
        erased = entering(target, refused, layers, self.name)
        cost = Cost(2 * len(rows))
        if config.pgd is None:
            recalled = entering(target, answered, layers, self.name)
        else:
            wanted = [(query, answer) for _, query, answer in rows]
            with target.bank.showing(perturbed(target, wanted, config.pgd, self.name)):
                recalled = entering(target, refused, layers, self.name)
            cost += Cost(len(rows) * config.pgd.steps, len(rows) * config.pgd.steps)
        return [erased[layer].mean(0) - recalled[layer].mean(0) for layer in layers], cost

    def _contrast(self, data: UnlearningData, config: MllmEraserConfig) -> "list[tuple[Query, Query, str]]":
        """(answered, refused, true answer), drawn from the retain rows: nothing in it is about the forget set."""
        from smllmun_bench.methods.shared.invented_identities import invented_names
        from smllmun_bench.models.vlm import Query

        kind = "pgd" if config.pgd is not None else config.refused
        found = [item for item in data.retain if _fits(item, kind)]
        draw = random.Random(data.seed)
        draw.shuffle(found)
        if kind == "pgd":  # a picture is changed for one question
            found = list({item.images: item for item in found}.values())
        if not found:
            looked = {"pgd": "a picture", "strangers": "a name (`subject`) in its question"}.get(kind, "a question")
            raise UserError(
                f"mllmeraser looked for retain rows with {looked} and found none among {len(data.retain)}",
                fix="`refused: instruction` with `pgd: null` works on any retain rows",
            )
        found = found[: config.pairs]
        nobody = invented_names([*data.forget, *data.retain], len(found), data.seed)

        def refused(item: Item, stranger: str) -> str:
            if config.refused == "strangers":
                return item.question.replace(item.subject, stranger)
            return INSTRUCTION + item.question

        return [
            (Query(item.question, item.images), Query(refused(item, stranger), item.images), item.answer)
            for item, stranger in zip(found, nobody, strict=True)
        ]

    def _openings(
        self,
        target: "Vlm",
        data: UnlearningData,
        layers: "Sequence[int]",
        gates: "Sequence[Tensor]",
        forget: "dict[int, Tensor]",
        retain: "dict[int, Tensor]",
        wordings: int,
    ) -> dict[str, float]:
        """How far the gate opens, mean over layers: on what it was fitted to, and on wordings that it never saw."""
        from smllmun_bench.methods.shared.prompt_states import entering
        from smllmun_bench.metrics.mia import auc
        from smllmun_bench.models.vlm import Query

        def opening(states: "dict[int, Tensor]") -> list[float]:
            each = [states[layer] @ gate for layer, gate in zip(layers, gates, strict=True)]
            found: list[float] = (sum(each[1:], each[0]) / len(each)).tolist()
            return found

        seen = {"forget": opening(forget), "retain": opening(retain)}
        figures = {f"gate_{name}": sum(values) / len(values) for name, values in seen.items()}
        unseen = {
            name: [Query(text, item.images) for item in items for text in item.paraphrases[wordings : wordings + 1]]
            for name, items in (("forget", data.forget), ("retain", data.retain))
        }
        if all(unseen.values()):
            new = {name: opening(entering(target, rows, layers, self.name)) for name, rows in unseen.items()}
            figures |= {f"gate_{name}_reworded": sum(values) / len(values) for name, values in new.items()}
            figures["gate_auc_reworded"] = auc(new["forget"], new["retain"])
        return figures


def _fits(item: Item, kind: str) -> bool:
    if kind == "strangers":
        return bool(item.subject) and item.subject in item.question and not item.images
    return kind != "pgd" or bool(item.images)


METHOD = MllmEraser()
