"""ECO: a classifier picks out the questions about the forget set, and their embeddings are corrupted."""

import math
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from smllmun_bench.errors import RunFailed, UserError
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.models.cost import Cost
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.config import TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Query, Vlm
    from smllmun_bench.schema import Item
    from smllmun_bench.training.loop import Progress

_SEARCHED = 64  # forget rows by which a strength is chosen
_WRONG = 3  # answers that the true one is held against


class EcoConfig(MethodConfig):
    training: TrainingConfig = TrainingConfig(steps=300, lr=1e-3, batch_size=64, weight_decay=0.1)  # of the gate
    hidden: PositiveInt = 64  # neurons of the gate
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05  # share of retained questions that may be taken for forgotten
    calibration: Annotated[float, Field(gt=0, lt=1)] = 0.5  # share of retained people kept for the threshold
    where: Literal["text", "image", "both"] = "both"  # what is corrupted: the name, the picture
    how: Literal["noise-first", "noise-top", "zero-top", "flip-top"] = "noise-first"
    coordinates: PositiveInt | None = None  # of each embedding; null: all
    relative: bool = True  # strength in root mean squares of the embedding; false: absolute
    strength: NonNegativeFloat | None = None  # σ; null: the smallest of `strengths` that suffices
    strengths: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    enough: Annotated[float, Field(gt=0, le=1)] = 0.27  # true answer preferred to 3 others; chance is 0.25


class Eco:
    """e_i ← e_i + σ ε on the marked tokens of questions that the gate picks out. Liu et al. 2024, arXiv 2406.07933."""

    name = "eco"
    aliases: tuple[str, ...] = ()
    description = "a gate with a conformal threshold; questions that it picks out reach the decoder with noise on them"
    fidelity = Fidelity.PAPER
    config = EcoConfig
    needs = Needs(forget=True, retain=True, hooks=True)
    suppression = True

    def fit(self, target: "Vlm", data: UnlearningData, config: EcoConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.methods.shared.corruption import conformal_threshold
        from smllmun_bench.methods.shared.inference_overhead import asked, measured
        from smllmun_bench.models.change import Artifact

        start, wordings = time.perf_counter(), config.training.paraphrases
        learn, check = _halves(data.retain, config.calibration, data.seed)
        rows = {"forget": data.forget, "learn": learn, "check": check}
        queries = {name: asked(items, wordings) for name, items in rows.items()}
        seen = {name: _features(target, each) for name, each in queries.items()}
        self._check_pictures(target, queries["forget"], seen["forget"])
        gate = _train(seen["forget"], seen["learn"], config, data.seed, progress)
        margins = {name: _margins(features, gate) for name, features in seen.items()}
        alpha = max(config.alpha, 1 / (len(margins["check"]) + 1))  # below that a threshold would be infinite
        threshold = conformal_threshold(margins["check"], alpha)
        settings = {
            "names": list(dict.fromkeys(item.subject for item in data.forget if item.subject)),
            "threshold": threshold,
            "where": config.where,
            "how": config.how,
            "coordinates": config.coordinates,
            "relative": config.relative,
            "strength": config.strength or 0.0,
            "seed": data.seed,
        }
        artifact = Artifact("gate", gate, mechanism="corruption", settings=settings)
        weighed, figures = 0, _rates(margins, threshold) | {"alpha": alpha}
        if config.strength is None and config.how.startswith("noise"):
            artifact, weighed, more = self._strong_enough(target, data, config, artifact)
            figures |= more
        passes = sum(map(len, queries.values())) + weighed
        new = _reworded(target, data, gate, wordings)
        cost = Cost(passes, 0, time.perf_counter() - start, sum(tensor.numel() for tensor in gate.values()))
        artifact = replace(artifact, cost=cost, figures=figures | new)
        return measured(artifact, target, data.forget)

    def _check_pictures(self, target: "Vlm", queries: "Sequence[Query]", features: "Tensor") -> None:
        width = (features.shape[1] - 1) // 2
        shown = features[features[:, -1] > 0, width:-1]
        if len({query.images for query in queries if query.images}) > 1 and not bool((shown != shown[0]).any()):
            raise UserError(
                f"eco looked for pictures among the embeddings that enter the decoder of {target.name} and found the "
                "same at every image token: this decoder reads pictures elsewhere",
                fix="a family that puts image features in the place of image tokens",
            )

    def _strong_enough(
        self, target: "Vlm", data: UnlearningData, config: EcoConfig, artifact: "Artifact"
    ) -> "tuple[Artifact, int, dict[str, float]]":
        """The smallest strength at which the true answer is no longer preferred to other people's: a search upwards."""
        from smllmun_bench.methods.shared.mismatched_answers import same_type
        from smllmun_bench.models.vlm import Query

        draw = random.Random(data.seed)
        pairs: list[tuple[Query, str]] = []
        for item in draw.sample(list(data.forget), min(_SEARCHED, len(data.forget))):
            others = [other.answer for other in same_type(item, data.forget)]
            pool = [a for a in dict.fromkeys([*item.perturbed_answers, *others]) if a != item.answer]
            if len(pool) >= _WRONG:
                query = Query(item.question, item.images)
                pairs += [(query, answer) for answer in (item.answer, *draw.sample(pool, _WRONG))]
        if not pairs:
            raise UserError(
                f"eco looked for forget rows with {_WRONG} other answers, to choose a strength by, and found none",
                fix="a `strength`",
            )
        weighed = 0
        for strength in sorted(config.strengths):
            artifact = replace(artifact, settings={**artifact.settings, "strength": strength})
            fires = replace(artifact, settings={**artifact.settings, "threshold": -1e30})  # whatever the gate misses
            with fires.mounted(target):
                means = [sum(row) / len(row) for row in target.answer_logprobs(pairs)]
            weighed += len(pairs)
            asked = [means[at : at + 1 + _WRONG] for at in range(0, len(means), 1 + _WRONG)]
            right = sum(row[0] > max(row[1:]) for row in asked) / len(asked)
            if right <= config.enough:
                break
        return artifact, weighed, {"strength": strength, "preferred": right}


def _halves(items: "Sequence[Item]", share: float, seed: int) -> "tuple[list[Item], list[Item]]":
    """Retained people whom the gate learns, and others by whom its threshold is set."""
    people = list(dict.fromkeys(item.entity_id for item in items))
    if len(people) < 2:
        raise UserError(
            f"eco looked for two retained people, one to learn from and one to set the threshold by, and found "
            f"{len(people)}",
            fix="more retain rows",
        )
    random.Random(seed).shuffle(people)
    kept = set(people[: min(len(people) - 1, max(1, round(share * len(people))))])
    return [i for i in items if i.entity_id not in kept], [i for i in items if i.entity_id in kept]


def _features(target: "Vlm", queries: "Sequence[Query]") -> "Tensor":
    from smllmun_bench.methods.shared.corruption import pooled
    from smllmun_bench.methods.shared.prompt_states import read

    return read(target, queries, [0], lambda layout, hidden: pooled(layout, hidden, target.image_token), "eco")[0]


def _train(
    forget: "Tensor", retain: "Tensor", config: EcoConfig, seed: int, progress: "Progress"
) -> "dict[str, Tensor]":
    """A classifier with one hidden layer; both classes weigh the same."""
    import torch

    from smllmun_bench.training.minibatch import minimise

    training = config.training
    features = torch.cat([forget, retain])
    truth = torch.cat([torch.ones(len(forget)), torch.zeros(len(retain))])
    weights = len(truth) / torch.where(truth > 0, len(forget), len(retain))  # N / N_c
    centre, spread = features.mean(0), features.std(0).clamp(min=1e-6)
    scaled = (features - centre) / spread
    draw = torch.Generator().manual_seed(seed)
    width = features.shape[1]
    into = (torch.randn(config.hidden, width, generator=draw) / width**0.5).requires_grad_()
    out = (torch.randn(config.hidden, generator=draw) / config.hidden**0.5).requires_grad_()
    into_bias, out_bias = torch.zeros(config.hidden, requires_grad=True), torch.zeros(1, requires_grad=True)
    parameters = [into, out, into_bias, out_bias]
    optimiser = torch.optim.AdamW(
        parameters, lr=training.lr, betas=(0.9, 0.98), eps=1e-6, weight_decay=training.weight_decay
    )

    def loss() -> "Tensor":
        chosen = torch.randint(len(truth), (min(training.batch_size, len(truth)),), generator=draw)
        logits = torch.relu(scaled[chosen] @ into.T + into_bias) @ out + out_bias
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, truth[chosen], weights[chosen])

    def on_step(done: int, value: float) -> None:
        progress.step(done, training.steps, {"gate": value})

    minimise(loss, optimiser, training, on_step=on_step)
    gate = {"into": into, "out": out, "into_bias": into_bias, "out_bias": out_bias}
    return {"centre": centre, "spread": spread} | {name: tensor.detach() for name, tensor in gate.items()}


def _margins(features: "Tensor", gate: "dict[str, Tensor]") -> list[float]:
    from smllmun_bench.methods.shared.corruption import margin

    found: list[float] = margin(features, gate).tolist()
    if not all(map(math.isfinite, found)):
        raise RunFailed(
            "the gate's training diverged: what it says of a question is no number", fix="a smaller training.lr"
        )
    return found


def _rates(margins: "dict[str, list[float]]", threshold: float) -> dict[str, float]:
    fires = {name: sum(m > threshold for m in values) / len(values) for name, values in margins.items()}
    return {"missed_forget": 1 - fires["forget"], "fires_retain": fires["check"], "fires_retain_learnt": fires["learn"]}


def _reworded(target: "Vlm", data: UnlearningData, gate: "dict[str, Tensor]", wordings: int) -> dict[str, float]:
    """How well the gate tells forget from retain rows by wordings that it was not trained on."""
    from smllmun_bench.metrics.mia import auc
    from smllmun_bench.models.vlm import Query

    new = [
        [Query(text, item.images) for item in items for text in item.paraphrases[wordings : wordings + 1]]
        for items in (data.forget, data.retain)
    ]
    if not all(new):
        return {}
    forget, retain = (_margins(_features(target, queries), gate) for queries in new)
    return {"gate_auc_reworded": auc(forget, retain)}


METHOD = Eco()
