"""Who resembles whom: the transition matrix of MeGU, and the answer that it perturbs to. A reconstruction."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import torch

from smllmun_bench.errors import UserError
from smllmun_bench.methods.shared.mismatched_answers import question_type
from smllmun_bench.models.vlm import Query

if TYPE_CHECKING:
    from smllmun_bench.models.packing import Packed
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.schema import Item

Matrix = Mapping[str, Mapping[str, float]]
"""forgotten entity -> kept entity -> similarity; a row sums to 1."""

ASKED = "True or false: the following fits the one in the picture. {facts}"


def transition(
    vlm: "Vlm",
    forget: Sequence["Item"],
    retain: Sequence["Item"],
    how: Literal["image", "asked", "none"],
    *,
    photos: int = 3,
) -> tuple[Matrix, int]:
    """T, and the answers it took. `image`: cosine of mean picture features, shifted to [0, 1]; `asked`: the model's
    p(True)/(p(True) + p(False)) for the other's facts, mean over photos; `none`: all alike."""
    ours, theirs = _pictures(forget, photos), _pictures(retain, photos)
    everybody = list(dict.fromkeys(item.entity_id for item in retain))
    table = {entity: dict.fromkeys(everybody, 1.0) for entity in dict.fromkeys(item.entity_id for item in forget)}
    passes = 0
    if how == "image":
        mean = {entity: _features(vlm, refs) for entity, refs in (ours | theirs).items()}
        for i in ours:
            for j in theirs:
                table[i][j] = (1 + float(torch.cosine_similarity(mean[i], mean[j], dim=0))) / 2
    elif how == "asked":
        facts = {entity: _facts(retain, entity) for entity in everybody}
        todo = [(i, j, images) for i, photos_of in ours.items() for j in everybody for images in photos_of]
        pairs = [
            (Query(ASKED.format(facts=facts[j]), images), say) for _, j, images in todo for say in ("True", "False")
        ]
        found = [sum(row) for row in vlm.answer_logprobs(pairs)]
        passes = len(pairs)
        for i in ours:
            table[i] = dict.fromkeys(everybody, 0.0)
        for at, (i, j, _) in enumerate(todo):
            true, false = found[2 * at], found[2 * at + 1]
            table[i][j] += 1 / (1 + math.exp(min(false - true, 700.0))) / len(ours[i])
    rows = {i: sum(row.values()) or 1.0 for i, row in table.items()}
    return {i: {j: value / rows[i] for j, value in row.items()} for i, row in table.items()}, passes


def _pictures(items: Sequence["Item"], photos: int) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for item in items:
        refs = found.setdefault(item.entity_id, [])
        if item.images and item.images not in refs and len(refs) < photos:
            refs.append(item.images)
    return {entity: refs for entity, refs in found.items() if refs}


def _features(vlm: "Vlm", refs: Sequence[tuple[str, ...]]) -> torch.Tensor:
    from smllmun_bench.methods.shared.embedding_noise import at_block, score
    from smllmun_bench.methods.shared.token_masks import pictures
    from smllmun_bench.training.examples import Example

    kept: list[torch.Tensor] = []

    def listen(packed: "Packed", hidden: torch.Tensor) -> torch.Tensor:
        kept.append(hidden[pictures(packed, vlm.image_token).to(hidden.device)].float())
        return hidden

    with torch.no_grad(), at_block(vlm, 0, "megu", listen):
        score(vlm, [Example("", "?", "?", images) for images in refs])
    return torch.cat(kept).mean(0)


def _facts(items: Sequence["Item"], entity: str, most: int = 3) -> str:
    """The first few facts of an entity, without its name."""
    known = [item for item in items if item.entity_id == entity and item.answer != item.subject]
    lines: dict[str, None] = {}
    for item in known:
        question = item.question.replace(item.subject, "they") if item.subject else item.question
        lines.setdefault(f"{question} {item.answer}.", None)
    return " ".join(list(lines)[:most])


def candidates(
    forget: Sequence["Item"], retain: Sequence["Item"], table: Matrix, *, most: int
) -> list[tuple[list["Item"], dict[str, float]]]:
    """Forget items that are one fact of one person asked one way, with the answers that could stand in for theirs.

    These are answers of kept people to the same question (failing that, of the same modality and form), never the
    true one: answer -> largest T_ij of those who give it, for the `most` largest.

    Raises UserError for an item without any.
    """
    same: dict[tuple[str, ...], list[Item]] = {}
    for item in retain:
        kind = question_type(item)
        same.setdefault(kind, []).append(item)
        same.setdefault(kind[:2], []).append(item)
    groups: dict[tuple[str, ...], list[Item]] = {}
    for item in forget:
        groups.setdefault((item.entity_id, item.answer, *question_type(item)), []).append(item)
    found = []
    for group in groups.values():
        first, kind = group[0], question_type(group[0])
        for peers in (same.get(kind, ()), same.get(kind[:2], ())):
            best: dict[str, float] = {}
            for peer in peers:
                if peer.answer != first.answer:
                    best[peer.answer] = max(best.get(peer.answer, 0.0), table[first.entity_id][peer.entity_id])
            if best:
                break
        else:
            raise UserError(
                f"megu looked among the retain rows for another answer to {first.question!r} and found none",
                where=f"forget row {first.item_id}",
                fix="retain rows of the same modality and form, with other answers",
            )
        ranked = sorted(best, key=lambda answer: -best[answer])[:most]
        found.append((group, {answer: best[answer] for answer in ranked}))
    return found


def likeliest(vlm: "Vlm", todo: Sequence[tuple[list["Item"], Mapping[str, float]]]) -> tuple[dict[str, str], int]:
    """item id -> y' = argmax_j T_ij·exp(mean token log p_θ0(y_j | x)), asked of the first item of a group; and the
    answers it took."""
    rows = [(group, answer, weight) for group, weights in todo for answer, weight in weights.items()]
    found = vlm.answer_logprobs([(Query(group[0].question, group[0].images), answer) for group, answer, _ in rows])
    chosen: dict[str, tuple[float, str]] = {}
    for (group, answer, weight), logp in zip(rows, found, strict=True):
        value = weight * math.exp(sum(logp) / len(logp))
        for item in group:
            chosen[item.item_id] = max(chosen.get(item.item_id, (-1.0, "")), (value, answer))
    return {name: answer for name, (_, answer) in chosen.items()}, len(rows)
