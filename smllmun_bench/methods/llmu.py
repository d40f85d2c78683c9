"""LLMU: ascent on the forget answers, descent on unrelated normal ones, and the target's word on everything else."""

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat, PositiveInt

from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.methods.shared.mismatched_answers import question_type
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.examples import Example
    from smllmun_bench.training.loop import Batch, Progress, Terms


class LlmuConfig(MethodConfig):
    forget_weight: NonNegativeFloat = 0.5  # e1
    random_weight: NonNegativeFloat = 1.0  # e2
    normal_weight: NonNegativeFloat = 1.0  # e3
    mismatches: PositiveInt = 5  # K: normal answers to each forget question


class Llmu:
    """L = -e1·CE(y_f|x_f) + e2·(1/K)·Σ_k CE(a_k|x_f) + e3·KL(p_θ0 ‖ p_θ) on retain. Yao et al., arXiv 2310.10683."""

    name = "llmu"
    aliases: tuple[str, ...] = ()
    description = "ascent on forget, descent on retained people's answers to its questions, retain held by divergence"
    fidelity = Fidelity.AUTHORS_CODE
    config = LlmuConfig
    needs = Needs(forget=True, retain=True, gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: LlmuConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.training import losses
        from smllmun_bench.training.loop import drawn, train
        from smllmun_bench.training.reference import Reference

        training = config.training
        rows = {
            "forget": streams.forget(data, training),
            "random": normal_answers(data, times=config.mismatches, paraphrases=training.paraphrases),
            "normal": streams.retain(data, training),
        }
        before = Reference(target)
        sizes = {"random": config.mismatches * training.batch_size}
        known = before.log_probs(drawn(rows, training, seed=data.seed, sizes=sizes)["normal"])

        def loss(batch: "Batch") -> "Terms":
            held = batch["normal"]
            now = held.scores.logits.log_softmax(-1)
            return {
                "forget": config.forget_weight * losses.gradient_ascent(batch["forget"].scores.means()),
                "random": config.random_weight * losses.cross_entropy(batch["random"].scores.means()),
                "normal": config.normal_weight * losses.kl_to_reference(now, known(held.examples, held.scores.owner)),
            }

        update = train(target, rows, loss, training, seed=data.seed, progress=progress, sizes=sizes)
        return as_artifact(update, spent=before.cost)


def normal_answers(data: UnlearningData, *, times: int, paraphrases: int) -> "list[Example]":
    """Every forget question, `times` over, each with an answer of a retained person to the same type of question.

    Where nobody retained was asked the same, an answer of the same modality and form; without that, a UserError.
    """
    from smllmun_bench.training.examples import from_items

    draw = random.Random(data.seed)
    pools: dict[tuple[str, ...], dict[str, None]] = {}
    for item in data.retain:
        kind = question_type(item)
        for part in (kind, kind[:2]):
            pools.setdefault(part, {})[item.answer] = None
    examples = []
    for item in data.forget:
        kind = question_type(item)
        pool = list(pools.get(kind) or pools.get(kind[:2]) or ())
        if not pool:
            raise UserError(
                f"llmu looked for answers of retained people to questions like {item.question!r} and found none",
                where=f"forget row {item.item_id}",
                fix="retain rows of each modality and form that the forget rows have",
            )
        for example in from_items([item], paraphrases=paraphrases):
            examples += [replace(example, answer=draw.choice(pool)) for _ in range(times)]
    return examples


METHOD = Llmu()
