"""SIU: whoever is shown is given an invented identity, and everything else keeps its distribution."""

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeFloat

from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.methods.shared.invented_identities import reassigned
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.artifact import as_artifact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.examples import Example
    from smllmun_bench.training.loop import Batch, Progress, Terms


class SiuConfig(MethodConfig):
    policy: Literal["visual_only", "full_entity"] = "visual_only"  # full_entity reassigns the text rows as well
    ce_weight: NonNegativeFloat = 0.9  # on the training answers, invented and true ones
    dmk_weight: NonNegativeFloat = 0.75  # on the dual-masked divergence

    def needed(self, usually: Needs) -> Needs:
        return replace(usually, images=False) if self.policy == "full_entity" else usually


class Siu:
    """L = α·CE(all targets) + β·L_DMK. Li et al. 2024, arXiv 2405.12523, from digests and a third party's code."""

    name = "siu"
    aliases: tuple[str, ...] = ()
    description = (
        "single-image unlearning: an invented identity for the person shown, dual-masked divergence for the rest"
    )
    fidelity = Fidelity.REIMPLEMENTATION
    config = SiuConfig
    needs = Needs(forget=True, retain=True, images="forget", gradients=True)

    def fit(self, target: "Vlm", data: UnlearningData, config: SiuConfig, progress: "Progress") -> "Artifact":
        from smllmun_bench.training import losses
        from smllmun_bench.training.examples import from_items
        from smllmun_bench.training.loop import drawn, train
        from smllmun_bench.training.reference import Reference

        moved = [item for item in data.forget if item.images or config.policy == "full_entity"]
        told = [item for item in data.forget if not item.images and config.policy == "visual_only"]
        if not moved:
            raise UserError("siu reassigns people in pictures, and no forget row has one", fix="policy: full_entity")
        invented, untrue = reassigned(moved, data)
        wordings = config.training.paraphrases
        rows = {
            "invented": from_items(invented, paraphrases=wordings),
            "kept": from_items(told, paraphrases=wordings) + streams.retain(data, config.training),
        }
        names = {item.entity_id: item.subject for item in data.forget if item.subject}
        true_name = {item.item_id: names.get(item.entity_id, "") for item in data.forget}
        masks = _Masks(target, true_name, untrue)
        before = Reference(target)
        asked = drawn(rows, config.training, seed=data.seed)
        known = before.log_probs([*asked["invented"], *asked["kept"]])

        def loss(batch: "Batch") -> "Terms":
            from torch import cat

            scores = [part.scores for part in batch.values()]
            divergence = losses.dual_masked_kl(
                cat([score.logits for score in scores]).log_softmax(-1),
                cat([known(part.examples, part.scores.owner) for part in batch.values()]),
                cat([masks.positions(part.examples, part.scores.owner) for part in batch.values()]),
                cat(
                    [masks.vocabulary(part.examples, part.scores.logits, part.scores.owner) for part in batch.values()]
                ),
            )
            answers = losses.cross_entropy(cat([score.logp for score in scores]))
            return {"answers": config.ce_weight * answers, "divergence": config.dmk_weight * divergence}

        update = train(target, rows, loss, config.training, seed=data.seed, progress=progress)
        return as_artifact(update, spent=before.cost)


class _Masks:
    """K_S is False at the tokens of an invented name or fact, K_V at the ids of the true name.

    `true_name` and `invented` are by item id; `invented` holds the part of the answer that is not true.
    """

    def __init__(self, vlm: "Vlm", true_name: "dict[str, str]", invented: "dict[str, str]") -> None:
        from smllmun_bench.methods.shared.token_masks import phrase_ids

        self._vlm = vlm
        self._phrases = {key: phrase_ids(vlm, text) for key, text in invented.items()}
        self._name_ids = {
            key: sorted({token for ids in phrase_ids(vlm, name) for token in ids}) if name else []
            for key, name in true_name.items()
        }

    def positions(self, examples: "Sequence[Example]", owner: "Tensor") -> "Tensor":
        tokens = streams.answer_ids(self._vlm, examples, owner)
        counts = owner.new_ones(owner.shape).bool()
        for index, example in enumerate(examples):
            mine = (owner == index).nonzero().squeeze(1)
            counts[mine[occurrences(tokens[mine].tolist(), self._phrases.get(example.key, set()))]] = False
        return counts

    def vocabulary(self, examples: "Sequence[Example]", logits: "Tensor", owner: "Tensor") -> "Tensor":
        counts = logits.new_ones(logits.shape).bool()
        for index, example in enumerate(examples):
            for token in self._name_ids.get(example.key, ()):
                counts[owner == index, token] = False
        return counts


def occurrences(tokens: "Sequence[int]", phrases: "Iterable[tuple[int, ...]]") -> list[int]:
    """Indices of `tokens` that are part of one of the phrases; all but the last, EOS, if a phrase is cut otherwise."""
    phrases = list(phrases)
    found = {
        at + offset
        for phrase in phrases
        for at in range(len(tokens) - len(phrase) + 1)
        if tuple(tokens[at : at + len(phrase)]) == phrase
        for offset in range(len(phrase))
    }
    return sorted(found) if found or not phrases else list(range(len(tokens) - 1))


METHOD = Siu()
