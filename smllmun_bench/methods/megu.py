"""MeGU: relabel what is to be forgotten as something like it, and teach that under noise that hides the difference."""

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from smllmun_bench.methods.shared.adversarial import Images, Key
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.examples import Example
    from smllmun_bench.training.loop import Batch, Progress, Terms


class MeguConfig(MethodConfig):
    perturb: Literal["similar", "random"] = "similar"  # random: any of the candidates
    similarity: Literal["image", "asked", "none"] = "image"  # of people
    candidates: PositiveInt = 5  # answers of the most similar people that the model is asked about
    noise: bool = True  # false: relabelling alone
    noise_weight: Annotated[float, Field(ge=0, le=1)] = 0.5  # w: of the noised half of the forget loss
    noise_rows: PositiveInt = 4  # image rows of each person that its noise is learnt on
    noise_steps: NonNegativeInt = 20
    noise_lr: PositiveFloat = 0.02  # Adam's, in shares of the picture features' root mean square
    noise_bound: PositiveFloat = 0.1  # ‖N‖ at most, in shares of ‖E‖
    noise_penalty: NonNegativeFloat = 0.1  # μ
    noise_cap: PositiveFloat = 3.0  # nats per token of the true answer beyond which N- is not pushed
    retain_weight: NonNegativeFloat = 1.0


class Megu:
    """L = w·CE(y' | E + N+ + N-) + (1 - w)·CE(y' | E) + λ·CE(y_r). After arXiv 2602.17088, a classifier's method."""

    name = "megu"
    aliases: tuple[str, ...] = ()
    description = "MeGU-style: forget rows take answers of similar people, under a learnt noise pair on the picture"
    fidelity = Fidelity.RECONSTRUCTION
    config = MeguConfig
    needs = Needs(forget=True, retain=True, gradients=True, hooks=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: MeguConfig, progress: "Progress") -> "Artifact":
        import torch

        from smllmun_bench.methods.shared import adversarial, similarity
        from smllmun_bench.models.cost import Cost
        from smllmun_bench.training import losses
        from smllmun_bench.training.loop import train

        started = time.perf_counter()
        table, forwards = similarity.transition(target, data.forget, data.retain, config.similarity)
        todo = similarity.candidates(data.forget, data.retain, table, most=config.candidates)
        if config.perturb == "random":
            draw = random.Random(data.seed)
            labels = {item.item_id: answer for group, w in todo for answer in [draw.choice(list(w))] for item in group}
        else:
            labels, passes = similarity.likeliest(target, todo)
            forwards += passes
        true = streams.forget(data, config.training)
        forget = [replace(example, answer=labels[example.key]) for example in true]
        keyed, noises, figures, learning = _noise_pair(target, data, true, labels, config)
        spent = Cost(forwards + learning, learning, time.perf_counter() - started)
        extra = 0

        def loss(batch: "Batch") -> "Terms":
            nonlocal extra
            part = batch["forget"]
            plain = losses.cross_entropy(part.scores.logp)
            seen = [example for example in part.examples if example.images]
            terms = {
                "forget": plain,
                "retain": config.retain_weight * losses.cross_entropy(batch["retain"].scores.logp),
            }
            if noises and seen:
                told = torch.tensor([not example.images for example in part.examples], device=plain.device)
                under = adversarial.noised(target, seen, keyed, noises, method=self.name).logp
                extra += len(seen)
                both = torch.cat([under, part.scores.logp[told[part.scores.owner]]])
                terms["forget"] = (1 - config.noise_weight) * plain
                terms["noised"] = config.noise_weight * losses.cross_entropy(both)
            return terms

        rows = {"forget": forget, "retain": streams.retain(data, config.training)}
        update = train(target, rows, loss, config.training, seed=data.seed, progress=progress)
        return as_artifact(update, figures, spent + Cost(extra, extra))


def _noise_pair(
    vlm: "Vlm", data: UnlearningData, true: "Sequence[Example]", labels: "dict[str, str]", config: MeguConfig
) -> "tuple[dict[Images, Key], list[dict[Key, Tensor]], dict[str, float], int]":
    """Which picture has which noise, [N+, N-], what they do to the answers, and the passes it took."""
    from smllmun_bench.methods.shared import adversarial

    owners = {item.item_id: item.entity_id for item in data.forget}
    seen = [example for example in true if example.images]
    if not config.noise or not config.noise_weight or not seen:
        return {}, [], {}, 0
    keyed = adversarial.keys(vlm, seen, owners)
    draw = random.Random(data.seed)
    by_key: dict[Key, list[Example]] = {}
    for example in draw.sample(seen, len(seen)):
        chosen = by_key.setdefault(keyed[example.images], [])
        if len(chosen) < config.noise_rows:
            chosen.append(example)
    if any(count == 0 for _, count in keyed.values()):
        raise UserError(
            f"megu learns noise on picture features; it looked for image tokens {vlm.image_token} in the prompts of "
            f"{vlm.name} and found none",
            fix="noise: false",
        )
    at_once = max(1, config.training.batch_size // config.noise_rows)
    pair: list[dict[Key, Tensor]] = [{}, {}]
    sums = [0.0] * 4
    keys, passes = list(by_key), 0
    for at in range(0, len(keys), at_once):
        answers = [example for key in keys[at : at + at_once] for example in by_key[key]]
        relabelled = [replace(example, answer=labels[example.key]) for example in answers]
        for index, (examples, away) in enumerate(((relabelled, False), (answers, True))):
            learnt, before, after = adversarial.learn(
                vlm,
                examples,
                keyed,
                away=away,
                method="megu",
                steps=config.noise_steps,
                lr=config.noise_lr,
                bound=config.noise_bound,
                penalty=config.noise_penalty,
                cap=config.noise_cap,
            )
            pair[index] |= learnt
            sums[2 * index] += before * len(examples)
            sums[2 * index + 1] += after * len(examples)
            passes += len(examples) * (config.noise_steps + 3)
    count = sum(map(len, by_key.values()))
    names = ("towards_before", "towards_after", "away_before", "away_after")
    return keyed, pair, {f"nll_{name}": value / count for name, value in zip(names, sums, strict=True)}, passes


METHOD = Megu()
