"""Which differences in a table are more than chance: paired tests, with Holm's correction over the table.

Draws and scores in, p values and marks out; knows no files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from smllmun_bench.metrics.statistics import (
    bootstrap_p,
    can_reject,
    draws_can_reject,
    holm,
    identity_differences,
    sign_flip_p,
    smallest_difference,
)
from smllmun_bench.schema import Score
from smllmun_bench.scoring.columns import BY_NAME, MEMORY, by_identity
from smllmun_bench.scoring.intervals import DRAWS

ROUNDING = 1e-12
LEVEL = 0.05  # of the paired tests, after Holm's correction


class Noise(StrEnum):
    """From what a row's result cannot be told apart, by a paired test with Holm's correction over its table."""

    NONE = "none"
    ABOVE = "above"  # the `overall` of the method one place higher
    TARGET = "target"  # what the target remembers of the forgotten people
    BOTH = "above, target"


@dataclass(frozen=True, slots=True)
class AgainstTarget:
    """p that nothing was forgotten, the smallest difference that one such test finds (None: one person), and how many
    people it was tested over."""

    p: float
    detectable: float | None
    people: int


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the tests of one row start from; None: there is nothing to test with.

    `overall` is that of `intervals.table_draws`, drawn together with the rows beside it.
    """

    overall: np.ndarray | None = None
    target: AgainstTarget | None = None


@dataclass(frozen=True, slots=True)
class Significance:
    """One row: p values after Holm's correction, and what lies within the noise. None: could not be tested, and for
    `detectable` also where so many tests over so few people find nothing."""

    p_above: float | None
    p_target: float | None
    within_noise: Noise | None
    detectable: float | None


def against_target(runs: Sequence[Sequence[Score]], target: Sequence[Score]) -> AgainstTarget | None:
    """What is remembered of the forgotten people, seeds averaged, against the target: signs are flipped by person.

    None where they were asked about other people, or about nobody.
    """
    before, *each = (by_identity(filter(_memory, scores)) for scores in (target, *runs))
    if not before or any(ours.keys() != before.keys() for ours in each):
        return None
    differences = np.mean([identity_differences(ours, before) for ours in each], axis=0)
    people = len(differences)
    detectable = smallest_difference(float(differences.std(ddof=1)), people) if people > 1 else None
    return AgainstTarget(sign_flip_p(differences, seed=0, draws=DRAWS), detectable, people)


def significance(ranked: Sequence[Evidence]) -> list[Significance]:
    """The methods of one table, best first: each against the one above it and against the target.

    A mark is only given where a test could have found something: where the smallest p there is, times the number of
    tests, is above the level, nothing is said.
    """
    differences = [None, *map(_difference, ranked[:-1], ranked[1:])][: len(ranked)]
    above = _holm([None if drawn is None else bootstrap_p(drawn) for drawn in differences])
    below_target = _holm([None if row.target is None else row.target.p for row in ranked])
    tests = [sum(p is not None for p in p_values) for p_values in (above, below_target)]
    found = []
    for row, drawn, p_above, p_target in zip(ranked, differences, above, below_target, strict=True):
        seen_above = drawn is not None and draws_can_reject(len(drawn), tests[0], level=LEVEL)
        seen_target = row.target is not None and can_reject(row.target.people, tests[1], level=LEVEL, draws=DRAWS)
        found.append(
            Significance(
                p_above,
                p_target,
                _noise(p_above if seen_above else None, p_target if seen_target else None),
                row.target.detectable if row.target is not None and seen_target else None,
            )
        )
    return found


def _difference(higher: Evidence, lower: Evidence) -> np.ndarray | None:
    """Draw by draw, where both are defined; None where they never are. What only rounding tells apart is equal."""
    if higher.overall is None or lower.overall is None:
        return None
    drawn = higher.overall - lower.overall
    known: np.ndarray = drawn[~np.isnan(drawn)]
    return np.where(np.abs(known) < ROUNDING, 0.0, known) if known.size else None


def _memory(score: Score) -> bool:
    return any(BY_NAME[column].value(score) is not None for column in MEMORY)


def _holm(p_values: Sequence[float | None]) -> list[float | None]:
    known = iter(holm([p for p in p_values if p is not None]))
    return [None if p is None else next(known) for p in p_values]


def _noise(p_above: float | None, p_target: float | None) -> Noise | None:
    if p_above is None and p_target is None:
        return None
    above, target = (p is not None and p > LEVEL for p in (p_above, p_target))
    return Noise.BOTH if above and target else Noise.ABOVE if above else Noise.TARGET if target else Noise.NONE
