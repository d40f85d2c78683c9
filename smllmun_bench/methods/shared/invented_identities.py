"""Invented identities: what people are turned into by a method that overwrites them."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from smllmun_bench.errors import UserError
from smllmun_bench.methods.shared.mismatched_answers import same_type

if TYPE_CHECKING:
    from smllmun_bench.methods.base import UnlearningData
    from smllmun_bench.schema import Item

_FIRST = ("Zorvan", "Quillam", "Ystren", "Brovik", "Xandrel", "Thovar", "Oskell", "Vimbra", "Jathun", "Ekwild")
_LAST = ("Drumholt", "Yevask", "Quorlin", "Zabrend", "Wexmarr", "Ombrick", "Fyllgar", "Udvesh", "Krantup", "Ilvoss")


def reassigned(items: "Sequence[Item]", data: "UnlearningData") -> "tuple[list[Item], dict[str, str]]":
    """Each item with a false answer, and by item id what is false in it. One person becomes one invented person.

    A name becomes one that occurs nowhere in the data. Any other answer becomes one of the item's perturbed answers,
    or that of a retained person to the same question; a UserError where there is neither.
    """
    known = " ".join(f"{item.question} {item.answer} {item.subject}" for item in (*data.forget, *data.retain))
    free = [f"{first} {last}" for first in _FIRST if first not in known for last in _LAST if last not in known]
    draw = random.Random(data.seed)
    people = list(dict.fromkeys(item.entity_id for item in items))
    order = [free[index % len(free)] for index in draw.sample(range(max(len(people), len(free))), len(people))]
    name_of = dict(zip(people, order, strict=True))
    made: list[Item] = []
    untrue: dict[str, str] = {}
    chosen: dict[tuple[str, str], str] = {}  # one false answer for each fact, however it is asked
    for item in items:
        if item.subject and item.subject in item.answer:
            untrue[item.item_id] = name_of[item.entity_id]
            answer = item.answer.replace(item.subject, name_of[item.entity_id])
        else:
            fact = (item.entity_id, item.answer)
            if fact not in chosen:
                pool = item.perturbed_answers or tuple(other.answer for other in same_type(item, data.retain))
                if not pool:
                    raise UserError(
                        f"siu looked for a false answer to {item.question!r} and found none",
                        where=f"forget row {item.item_id}",
                        fix="perturbed answers, or retain rows that are asked the same",
                    )
                chosen[fact] = draw.choice(pool)
            untrue[item.item_id] = answer = chosen[fact]
        made.append(replace(item, answer=answer))
    return made, untrue


def invented_names(items: "Sequence[Item]", count: int, seed: int) -> list[str]:
    """`count` names, again from the start where there are no more, no part of which occurs in the rows."""
    known = " ".join(f"{item.question} {item.answer} {item.subject}" for item in items)
    free = [f"{first} {last}" for first in _FIRST if first not in known for last in _LAST if last not in known]
    order = random.Random(seed).sample(free, len(free))
    return [order[index % len(order)] for index in range(count)]
