"""Fixed subsets: the same ids for the same data, size and seed, in strata, with the interval that the size allows."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from smllmun_bench.data.seeding import stable_int
from smllmun_bench.data.source import digest_of
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Item

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Subset:
    """A published subset: its ids in the order of the data, their SHA-256, and how many units were drawn from.

    A unit is what belongs together: the two questions of an MME image, the rotations of an MMBench question.
    """

    ids: tuple[str, ...]
    units: int
    of_units: int

    @property
    def digest(self) -> str:
        return digest_of(*self.ids)

    def half_width(self, accuracy: float = 0.5) -> float:
        """Half of the 95 % interval of a share that is `accuracy`: normal approximation over units, finite
        population. It is what the subset adds; half (.5) is the widest.

        >>> round(Subset(("a",), 500, 10_000).half_width(), 3)
        0.043
        """
        if self.units >= self.of_units:
            return 0.0
        finite = (self.of_units - self.units) / (self.of_units - 1)
        return Z95 * math.sqrt(accuracy * (1 - accuracy) / self.units * finite)


def subset(items: Sequence[Item], n: int, seed: int = 0) -> Subset:
    """About `n` items: whole units (`pair_id`, else the item), each stratum (`group`) with its share of them.

    Units are picked by a hash of their name, so the order of the data and the machine do not matter. Never more than
    `n` items unless one unit is larger. Raises UserError for more items than there are.
    """
    if not 1 <= n <= len(items):
        raise UserError(f"cannot take {n} of {len(items)} items", where="key 'sample'", fix=f"1 to {len(items)}")
    members: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        members[item.pair_id or item.item_id].append(item)
    strata: dict[str, list[str]] = defaultdict(list)
    for unit, own in members.items():
        strata[own[0].group].append(unit)
    count = max(1, n * len(members) // len(items))
    taken = shares({name: len(units) for name, units in strata.items()}, count)
    chosen = [
        unit
        for name, units in strata.items()
        for unit in sorted(units, key=lambda unit: stable_int("subset", seed, unit))[: taken[name]]
    ]
    while len(chosen) > 1 and sum(len(members[unit]) for unit in chosen) > n:
        chosen.remove(max(chosen, key=lambda unit: (len(members[unit]), stable_int("drop", seed, unit))))
    kept = set(chosen)
    ids = tuple(item.item_id for item in items if (item.pair_id or item.item_id) in kept)
    return Subset(ids, len(chosen), len(members))


def shares(sizes: dict[str, int], n: int) -> dict[str, int]:
    """Split `n` in proportion to `sizes` by largest remainder; then the largest give to those who got none."""
    total = sum(sizes.values())
    taken = {key: size * n // total for key, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda key: (-(sizes[key] * n % total), key))
    for key in by_remainder[: n - sum(taken.values())]:
        taken[key] += 1
    if n >= len(sizes):
        for key in [key for key, count in taken.items() if count == 0]:
            taken[max(taken, key=lambda other: (taken[other], other))] -= 1
            taken[key] = 1
    return taken
