"""Which prediction answers which item. Neither an item nor a prediction is ever dropped or guessed in silence."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from smllmun_bench.errors import UserError
from smllmun_bench.schema import Item, Prediction

SHOWN = 8  # names in an error message


def matched(
    items: Sequence[Item],
    predictions: Iterable[Prediction],
    *,
    attack: str = "none",
    of: Sequence[Item] | None = None,
) -> Mapping[str, Prediction]:
    """Item id -> its prediction under one attack (`sample` 0).

    `of`: the whole set, where `items` are a part of it; predictions of the rest are fine and left out. Raises
    UserError, naming the items, for ids that stand twice or are unknown, and for items without a prediction.
    """
    answers = [one for one in predictions if one.attack == attack and one.sample == 0]
    known = [item.item_id for item in (items if of is None else of)]
    asked = {item.item_id for item in items}
    said = [one.item_id for one in answers]
    where = "predictions" if attack == "none" else f"predictions of attack {attack!r}"
    for what, names, place, fix in (
        ("item id stands twice", _twice(known), "items", "give every item its own id"),
        ("item has more than one prediction", _twice(said), where, "keep one prediction per item and run"),
        ("prediction of an unknown item", sorted(set(said) - set(known)), where, "score with the task that was asked"),
        ("item has no prediction", sorted(asked - set(said)), where, "run the missing items, or finish the run"),
    ):
        if names:
            listed = ", ".join(repr(name) for name in names[:SHOWN]) + (" …" if len(names) > SHOWN else "")
            raise UserError(f"{what}: {listed} ({len(names)} in all)", where=place, fix=fix)
    return {one.item_id: one for one in answers if one.item_id in asked}


def _twice(names: Sequence[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)
