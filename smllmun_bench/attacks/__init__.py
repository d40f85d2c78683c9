"""The catalogue of attacks: one file each, found by listing this folder and the entry points.

A file `few_shot.py` holds `ATTACK`, whose name is `few-shot`. Other packages add theirs under the entry point group
`smllmun_bench.attacks` (name = `module:ATTACK`). Nothing is imported until it is asked for.
"""

from collections.abc import Sequence
from typing import Any

from smllmun_bench.attacks.base import AttackNeeds, AttackSource, Family
from smllmun_bench.catalogue import Catalogue

GROUP = "smllmun_bench.attacks"
CATALOGUE = Catalogue(
    "attack",
    __name__,
    "ATTACK",
    GROUP,
    {"name": str, "description": str, "family": str, "config": type, "needs": AttackNeeds},
    "docs/attacks/README.md",
)

__all__ = ["CATALOGUE", "GROUP", "choose", "get", "names"]


def names() -> list[str]:
    """Every attack there is, in alphabetical order; imports none."""
    return CATALOGUE.names()


def get(name: str, *, where: str = "") -> AttackSource:
    """The attack of that name. Raises UserError with the nearest name."""
    found: AttackSource = CATALOGUE.get(name, where=where)
    return found


def choose(wanted: Sequence[str], *, where: str = "--attack") -> list[Any]:
    """Attacks by name, by family (`prompt`, `white-box` …) or `all`, each once, in the order they were asked for."""
    chosen: dict[str, Any] = {}
    for name in wanted:
        group = CATALOGUE.usable() if name == "all" or name in set(Family) else [name]
        for one in group:
            attack = get(one, where=where)
            if name in ("all", one) or attack.family == name:
                chosen.setdefault(attack.name, attack)
    return list(chosen.values())
