"""Answers that other people give to the same type of question: what mismatched and perturbed answers are drawn from."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from smllmun_bench.errors import UserError
from smllmun_bench.training.examples import from_items

if TYPE_CHECKING:
    from smllmun_bench.schema import Item
    from smllmun_bench.training.examples import Example


def question_type(item: "Item") -> tuple[str, str, str]:
    """Modality, form, and the question without the name: equal for two people who are asked the same thing."""
    return (
        item.modality.value,
        item.kind.value,
        item.question.replace(item.subject, "") if item.subject else item.question,
    )


def same_type(item: "Item", others: Sequence["Item"]) -> list["Item"]:
    """Those of `others` that are asked the same and answer otherwise; failing that, of the same modality and form."""
    kind = question_type(item)
    different = [other for other in others if other.answer != item.answer]
    close = [other for other in different if question_type(other) == kind]
    return close or [other for other in different if question_type(other)[:2] == kind[:2]]


def mismatched(items: Sequence["Item"], *, times: int, paraphrases: int, seed: int, method: str) -> list["Example"]:
    """Every question of `items`, `times` over, each with an answer drawn from other items of its type.

    Raises UserError if an item has no other answer to draw from.
    """
    draw = random.Random(seed)
    by_kind: dict[tuple[str, str, str], list[Item]] = {}
    for item in items:
        by_kind.setdefault(question_type(item), []).append(item)
    examples: list[Example] = []
    for item in items:
        peers = same_type(item, by_kind[question_type(item)]) or same_type(item, items)
        pool = list(dict.fromkeys(other.answer for other in peers))
        if not pool:
            raise UserError(
                f"{method} looked for other answers to questions like {item.question!r}; found only {item.answer!r}",
                where=f"forget row {item.item_id}",
                fix="a forget set with at least two answers of each modality and form",
            )
        for example in from_items([item], paraphrases=paraphrases):
            examples += [replace(example, answer=draw.choice(pool)) for _ in range(times)]
    return examples
