"""One general set scored by its official rule and by the strict one, side by side, with what neither could read."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from smllmun_bench.errors import UserError, unknown
from smllmun_bench.metrics.choice import UNPARSED, Choice, parse_choice, parse_yes_no, right_choices
from smllmun_bench.metrics.matching import matched
from smllmun_bench.metrics.text import bare
from smllmun_bench.metrics.vqa import options, written, yesno
from smllmun_bench.metrics.vqa.rules import RULES
from smllmun_bench.schema import Item, Kind, Prediction

Pairs = Sequence[tuple[Item, Prediction]]
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class VqaReport:
    """`official` and `strict` have the same figures, in the set's own units (MME: of 2000 and 800; else per cent).

    `unparsed` is the share of replies that a rule could not read, for both rules; written answers count as unparsed
    when they are empty. `judged` names the official score that needs a judge and is not among the figures.
    """

    benchmark: str
    n: int
    official: Figures
    strict: Figures
    unparsed_official: float
    unparsed_strict: float
    judged: str = ""


def report(items: Sequence[Item], predictions: Iterable[Prediction], *, of: Sequence[Item] | None = None) -> VqaReport:
    """Score the predictions of one set, or of a part of the set `of`.

    Raises UserError for items of several sets or of one without a rule, and as `matching.matched` does.
    """
    names = {item.benchmark for item in items}
    if len(names) != 1:
        raise UserError(f"the items are of {len(names)} sets", where="items", fix="one general set at a time")
    name = names.pop()
    if name in JUDGED:
        raise UserError(f"{name} is scored by a judge, not by a rule", where="items", fix=JUDGED[name])
    if name not in SETS:
        raise unknown("general set", name, SETS)
    said = matched(items, predictions, of=of)
    pairs = [(item, said[item.item_id]) for item in items]
    scoring = SETS[name]
    return VqaReport(
        name,
        len(pairs),
        scoring.figures(pairs, scoring.official),
        scoring.figures(pairs, scoring.strict),
        _share(scoring.unread_official(item, prediction.text) for item, prediction in pairs),
        _share(_unread_strict(item, prediction.text) for item, prediction in pairs),
        scoring.judged,
    )


# -- what a rule cannot read -------------------------------------------------------------------------------------------


def _unread_strict(item: Item, text: str) -> bool:
    if item.kind is Kind.CHOICE:
        return parse_choice(text, item.choices) is UNPARSED
    if item.kind is Kind.YESNO:
        return parse_yes_no(text) is UNPARSED
    return not text.strip()


def _unread_by(parse: Callable[[str, Sequence[str]], Choice]) -> Callable[[Item, str], bool]:
    def unread(item: Item, text: str) -> bool:
        return parse(text, item.choices) is UNPARSED if item.kind is Kind.CHOICE else not text.strip()

    return unread


def _never(item: Item, text: str) -> bool:
    """POPE's rule reads everything: what is no `no` is a yes."""
    return False


def _empty(item: Item, text: str) -> bool:
    return not text.strip()


def _share(flags: Iterable[bool]) -> float:
    counted = list(flags)
    return sum(counted) / len(counted)


# -- figures of each set -----------------------------------------------------------------------------------------------


def _scores(pairs: Pairs, rule: str) -> list[float]:
    values = [RULES[rule](item, prediction) for item, prediction in pairs]
    lacking = [item.item_id for (item, _), value in zip(pairs, values, strict=True) if value is None]
    if lacking:
        raise UserError(f"rule {rule!r} cannot score {lacking[0]!r}", where="items")
    return [value for value in values if value is not None]


def _percent(values: Sequence[float]) -> float:
    return 100 * math.fsum(values) / len(values)


def _by_group(pairs: Pairs, rule: str) -> Figures:
    """Accuracy over all questions and by group."""
    values = _scores(pairs, rule)
    groups: dict[str, list[float]] = defaultdict(list)
    for (item, _), value in zip(pairs, values, strict=True):
        if item.group:
            groups[item.group].append(value)
    return {"accuracy": _percent(values)} | {name: _percent(group) for name, group in sorted(groups.items())}


def _mme(pairs: Pairs, rule: str) -> Figures:
    values = _scores(pairs, rule)
    rows = ((item.group, item.pair_id, value == 1) for (item, _), value in zip(pairs, values, strict=True))
    categories = yesno.mme_categories(rows)
    perception, cognition = yesno.mme_totals(categories)
    return {"perception": perception, "cognition": cognition, "accuracy": _percent(values)} | {
        name: category.score for name, category in categories.items()
    }


def _pope(pairs: Pairs, rule: str) -> Figures:
    """Each split's figures, and their means over the splits."""
    parse = yesno.pope_official if rule == "pope_official" else parse_yes_no
    splits: dict[str, list[tuple[Item, Prediction]]] = defaultdict(list)
    for item, prediction in pairs:
        splits[item.group].append((item, prediction))
    found: Figures = {}
    names = ("accuracy", "precision", "recall", "f1", "yes_ratio")
    by_split = {
        split: yesno.pope_scores([parse(p.text) for _, p in own], [bare(i.answer) == "yes" for i, _ in own])
        for split, own in sorted(splits.items())
    }
    for name in names:
        found[name] = _percent([getattr(scores, name) for scores in by_split.values()])
    for split, scores in by_split.items():
        found |= {f"{split}/{name}": 100 * getattr(scores, name) for name in names}
    return found


def _mmbench(pairs: Pairs, rule: str) -> Figures:
    """Circular and vanilla, over all and by group; item ids end in upstream's index."""
    values = _scores(pairs, rule)
    groups: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for (item, _), value in zip(pairs, values, strict=True):
        row = (int(item.item_id.rpartition(".")[2]), value == 1)
        levels = item.group.split("/")
        for name in ("", *("/".join(levels[: depth + 1]) for depth in range(len(levels)) if item.group)):
            groups[name].append(row)
    found: Figures = {}
    for name, rows in sorted(groups.items()):
        circular, vanilla = options.circular(rows)
        prefix = f"{name}/" if name else ""
        found |= {f"{prefix}circular": 100 * circular, f"{prefix}vanilla": 100 * vanilla}
    return found


def _capabilities(pairs: Pairs, rule: str) -> Figures:
    total, by_capability = written.mm_vet(_scores(pairs, rule), [item.group.split(",") for item, _ in pairs])
    return {"and_or": total} | {f"and_or {name}": value for name, value in by_capability.items()}


@dataclass(frozen=True, slots=True)
class _Set:
    """Which rules score a set, and into which figures."""

    official: str
    strict: str
    figures: Callable[[Pairs, str], Figures] = _by_group
    unread_official: Callable[[Item, str], bool] = _empty
    judged: str = ""


def _mme_unread(item: Item, text: str) -> bool:
    return yesno.mme_official(text) is UNPARSED


SETS: Mapping[str, _Set] = MappingProxyType(
    {
        "mme": _Set("mme_official", "yesno_strict", _mme, _mme_unread),
        "pope": _Set("pope_official", "yesno_strict", _pope, _never),
        "mmbench": _Set("mmbench_official", "choice_strict", _mmbench, _unread_by(options.mmbench_official)),
        "mmmu": _Set("mmmu_official", "mmmu_strict", unread_official=_unread_by(options.mmmu_official)),
        "gqa": _Set("gqa_official", "short_strict"),
        "scienceqa": _Set(
            "scienceqa_official", "choice_strict", unread_official=_unread_by(options.scienceqa_official)
        ),
        "seed_bench": _Set("seed_official", "choice_strict", unread_official=_unread_by(options.seed_official)),
        "vqav2": _Set("vqa_official", "vqa_strict"),
        "vizwiz": _Set("vqa_evalai", "vqa_strict"),
        "textvqa": _Set("vqa_evalai", "vqa_strict"),
        "mm_vet": _Set("and_or", "and_or", _capabilities, judged="MM-Vet's score by a judge"),
    }
)


JUDGED = MappingProxyType({"llava_bench": "`smllmun-bench judge`; metrics.vqa.written.llava_bench makes the figure"})


def chance(items: Sequence[Item]) -> float | None:
    """What random letters would score in per cent, if all items are choices; None if one of them is not.

    >>> chance([]) is None
    True
    """
    if not items or any(item.kind is not Kind.CHOICE for item in items):
        return None
    return _percent([len(right_choices(item.answer, item.choices)) / len(item.choices) for item in items])
