"""The memorisation gate: is there anything to forget, and was the target a sound model to begin with?

A target that never knew the facts makes every method look perfect, one that lost its abilities while memorising makes
every method look harmless. Both are decided on the same items, paired, with people as the unit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from smllmun_bench.metrics.states import State
from smllmun_bench.metrics.statistics import Difference, paired_difference
from smllmun_bench.schema import Score
from smllmun_bench.scoring.columns import COLUMNS, Column, Gated, by_identity

MARGIN = 0.05  # how much of an ability memorising may cost before the target counts as damaged
DRAWS = 2000


class Verdict(StrEnum):
    OPEN = "ok"
    NOTHING_TO_FORGET = "nothing to forget"
    TARGET_DAMAGED = "target damaged"
    BOTH = "nothing to forget, target damaged"
    BASE_BROKEN = "base broken, and no gold to compare with"


@dataclass(frozen=True, slots=True)
class Check:
    """One column: the target against another model on the same items, as target − other.

    `holds`: for memory, that the target knows more beyond the noise; for an ability, that it did not lose more than the
    margin beyond the noise.
    """

    column: str
    against: str
    target: float
    other: float
    difference: Difference
    holds: bool

    def line(self) -> str:
        low, high = self.difference.low, self.difference.high
        return (
            f"{self.column}: target {self.target:.3f}, {self.against} {self.other:.3f}, "
            f"difference {self.difference.mean:+.3f} ({low:+.3f} to {high:+.3f})"
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """`measurable`: the memory columns that hold something to forget, which `scoring.overall` is made of.

    `base_broken`: memory columns in which most answers of the base are broken, and count as memory.
    """

    verdict: Verdict
    measurable: tuple[str, ...]
    checks: tuple[Check, ...]
    base_broken: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """What a person should know beside the verdict."""
        broken = [f"base broken: most of its answers are, in {', '.join(self.base_broken)}"] if self.base_broken else []
        return broken + [check.line() for check in self.failed()]

    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.holds)


def gate(
    base: Sequence[Score],
    target: Sequence[Score],
    gold: Sequence[Score] | None,
    *,
    margin: float = MARGIN,
    seed: int = 0,
    draws: int = DRAWS,
) -> Gate:
    """Hold the target against base and gold, column by column (`columns.Gated`), by a bootstrap over people.

    A memory column is measurable if the lower end of the 95 % interval of target − gold is above 0: what gold knows
    as well was never a secret. Where there is a gold the base does not decide: one whose broken answers count as
    memory is no yardstick, and is told. Without a gold, target − base decides. *Nothing to forget*: no memory
    column is measurable; *base broken*: none is, for that is what the base answers without a gold. *Target
    damaged*: in some ability the target is more than `margin` below the base and the whole interval is below 0.
    Where all items of a column are about one person, items are the unit. Retained memory is checked and told, and
    changes no verdict. Raises ValueError if the models were asked different items.
    """
    others = [("base", base), *([("gold", gold)] if gold is not None else [])]
    checks: list[Check] = []
    for column in _asked(Gated.MEMORY, Gated.RETAINED):
        # What must be kept is known to gold too.
        for name, scores in others if column.gate is Gated.MEMORY else others[:1]:
            checks += _check(column, name, target, scores, floor=None, seed=seed, draws=draws)
    for column in _asked(Gated.ABILITY):
        checks += _check(column, "base", target, base, floor=-margin, seed=seed, draws=draws)
    decides = "base" if gold is None else "gold"
    sound = {check.column for check in checks if check.holds and check.against == decides}
    failed = {check.column for check in checks if not check.holds}
    memory = [column for column in _asked(Gated.MEMORY) if column.name in {check.column for check in checks}]
    measurable = tuple(column.name for column in memory if column.name in sound)
    damaged = any(column.name in failed for column in _asked(Gated.ABILITY))
    broken = tuple(column.name for column in memory if column.name in failed and _mostly_broken(column, base))
    verdict = _verdict(nothing=not measurable, damaged=damaged)
    if verdict is Verdict.NOTHING_TO_FORGET and gold is None and len(broken) == len(memory) > 0:
        verdict = Verdict.BASE_BROKEN
    return Gate(verdict, measurable, tuple(checks), broken)


def _mostly_broken(column: Column, scores: Sequence[Score]) -> bool:
    states = [score.state for score in scores if column.value(score) is not None]
    return states.count(State.BROKEN) * 2 > len(states)


def _asked(*gated: Gated) -> list[Column]:
    return [column for column in COLUMNS if column.gate in gated]


def _verdict(*, nothing: bool, damaged: bool) -> Verdict:
    if nothing and damaged:
        return Verdict.BOTH
    return Verdict.NOTHING_TO_FORGET if nothing else Verdict.TARGET_DAMAGED if damaged else Verdict.OPEN


def _check(
    column: Column,
    name: str,
    target: Sequence[Score],
    other: Sequence[Score],
    *,
    floor: float | None,
    seed: int,
    draws: int,
) -> list[Check]:
    ours, theirs = (
        by_identity(score for score in scores if column.value(score) is not None) for scores in (target, other)
    )
    if not ours and not theirs:
        return []
    if len(ours) == 1:
        ours, theirs = _item_by_item(ours), _item_by_item(theirs)
    difference = paired_difference(ours, theirs, seed=seed, draws=draws)
    holds = difference.low > 0 if floor is None else not (difference.mean < floor and difference.high < 0)
    return [Check(column.name, name, _macro(ours), _macro(theirs), difference, holds)]


def _item_by_item(values: dict[str, list[float]]) -> dict[str, list[float]]:
    return {f"{name} {number}": [value] for name, row in values.items() for number, value in enumerate(row)}


def _macro(values: dict[str, list[float]]) -> float:
    return math.fsum(math.fsum(row) / len(row) for row in values.values()) / len(values)
