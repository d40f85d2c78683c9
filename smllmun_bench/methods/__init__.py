"""The catalogue of unlearning methods: one file each, found by listing this folder and the entry points.

A file `grad_diff.py` holds `METHOD`, whose name is `grad-diff`. Other packages add theirs under the entry point group
`smllmun_bench.methods` (name = `module:METHOD`). Nothing is imported until it is asked for.
"""

from collections.abc import Callable, Sequence
from typing import Any

from smllmun_bench.catalogue import Catalogue
from smllmun_bench.errors import UserError, unknown
from smllmun_bench.methods.base import Method, Needs
from smllmun_bench.schema import Fidelity

GROUP = "smllmun_bench.methods"
CATALOGUE = Catalogue(
    "method",
    __name__,
    "METHOD",
    GROUP,
    {
        "name": str,
        "aliases": Sequence,
        "description": str,
        "fidelity": Fidelity,
        "config": type,
        "needs": Needs,
        "fit": Callable,  # type: ignore[dict-item]  # an abstract class all the same
    },
    "docs/add_a_method.md",
)

__all__ = ["CATALOGUE", "GROUP", "get", "names", "usable"]


def names() -> list[str]:
    """Every method there is, in alphabetical order; imports none."""
    return CATALOGUE.names()


def usable() -> list[str]:
    """The names of those that can be loaded; a warning for each of the others."""
    return CATALOGUE.usable()


def get(name: str, *, where: str = "") -> Method[Any]:
    """The method of that name or alias. Raises UserError with the nearest name."""
    found: Method[Any] | None = CATALOGUE.find(name)
    if found is not None:
        return found
    by_alias: dict[str, Method[Any]] = {}
    for known in names():
        try:
            method = get(known)
        except UserError:
            continue  # somebody else's, and broken: it has no alias that could be meant
        by_alias |= dict.fromkeys(method.aliases, method)
    if name in by_alias:
        return by_alias[name]
    raise unknown("method", name, [*names(), *by_alias], where=where)
