"""Where the true answer stands among all answers that such a question could have."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import PositiveInt

from smllmun_bench.attacks.base import AttackConfig, AttackData, NotApplicable
from smllmun_bench.attacks.shared.wording import template
from smllmun_bench.data.seeding import stable_random
from smllmun_bench.models.answering import Query
from smllmun_bench.schema import Item

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm


class CandidatesConfig(AttackConfig):
    """`most`: candidates besides the true answer, drawn from all answers to the same question."""

    most: PositiveInt = 31


@dataclass(frozen=True, slots=True)
class Rank:
    """The true answer is the `place`-th likeliest of `size` candidates; 1 is the likeliest."""

    place: int
    size: int


def candidates(data: AttackData, most: int) -> dict[str, tuple[str, ...]]:
    """Item id -> the true answer, then up to `most` others, each once; without others an item is left out.

    Others are the item's wrong answers and what is true of other people of the same group under the same question, as
    the task and its training rows have it. Which of them is drawn depends on the seed and the item alone.
    """
    pool: dict[tuple[str, str], dict[str, None]] = {}
    rows = (*data.items, *data.others, *data.forget_rows, *data.retain_rows)
    for row in rows:
        pool.setdefault((row.group, template(row)), {})[row.answer] = None
    found = {}
    for item in data.items:
        right = {text.casefold() for text in (item.answer, *item.accepted)}
        everything = dict.fromkeys([*item.perturbed_answers, *pool[item.group, template(item)]])
        others = sorted(text for text in everything if text.casefold() not in right)
        draw = stable_random("candidates", data.seed, item.item_id)
        chosen = others if len(others) <= most else draw.sample(others, most)
        if chosen:
            found[item.item_id] = (item.answer, *chosen)
    if not found:
        raise NotApplicable("no question has other answers to be told from")
    return found


def ranks(vlm: "Vlm", data: AttackData, most: int) -> dict[str, Rank]:
    """Item id -> place of the true answer, by the log-probability of the whole answer with its end.

    Who is as likely as the true one stands before it: a model to which all are equal knows nothing.
    """
    answers = candidates(data, most)
    items = [item for item in data.items if item.item_id in answers]
    pairs = [(_query(item), answer) for item in items for answer in answers[item.item_id]]
    scores = iter(vlm.answer_logprobs(pairs))
    return {item.item_id: rank([sum(next(scores)) for _ in answers[item.item_id]]) for item in items}


def rank(logps: Sequence[float]) -> Rank:
    """Of the first among all of them; what is not a number is the last.

    >>> rank([-1.0, -2.0, -0.5]), rank([-1.0, -1.0])
    (Rank(place=2, size=3), Rank(place=2, size=2))
    """
    true, *others = logps
    if math.isnan(true):
        return Rank(len(logps), len(logps))
    return Rank(1 + sum(other >= true for other in others), len(logps))


def exposure(found: Rank) -> float:
    """1 − log₂ place / log₂ size: Carlini et al.'s exposure, log₂|R| − log₂ rank, as a share of the most it can be.

    >>> [exposure(Rank(place, 16)) for place in (1, 4, 16)]
    [1.0, 0.5, 0.0]
    """
    return 1.0 - math.log2(found.place) / math.log2(found.size)


def _query(item: Item) -> Query:
    return Query(item.question, item.images)
