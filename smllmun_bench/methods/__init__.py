"""The catalogue of unlearning methods: one file each, found by listing this folder and the entry points.

A file `grad_diff.py` holds `METHOD`, whose name is `grad-diff`. Other packages add theirs under the entry point group
`smllmun_bench.methods` (name = `module:METHOD`). Nothing is imported until it is asked for.
"""

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import Any

from smllmun_bench.errors import UserError, unknown
from smllmun_bench.methods.base import Method

GROUP = "smllmun_bench.methods"

__all__ = ["GROUP", "get", "names"]


def _files() -> dict[str, str]:
    return {
        module.name.replace("_", "-"): f"{__name__}.{module.name}"
        for module in pkgutil.iter_modules(__path__)
        if module.name != "base" and not module.ispkg
    }


def names() -> list[str]:
    """Every method there is, in alphabetical order; imports none."""
    ours = _files()
    theirs = [point.name for point in entry_points(group=GROUP)]
    twice = sorted({name for name in theirs if name in ours or theirs.count(name) > 1})
    if twice:
        raise UserError(f"two methods are called {twice[0]!r}", fix=f"rename one entry point of the group {GROUP}")
    return sorted([*ours, *theirs])


def get(name: str, *, where: str = "") -> Method[Any]:
    """The method of that name or alias. Raises UserError with the nearest name."""
    ours = _files()
    if name in ours:
        return _checked(name, importlib.import_module(ours[name]).METHOD)
    for point in entry_points(group=GROUP):
        if point.name == name:
            return _checked(name, point.load())
    by_alias = {alias: method for known in names() for method in [get(known)] for alias in method.aliases}
    if name in by_alias:
        return by_alias[name]
    raise unknown("method", name, [*names(), *by_alias], where=where)


def _checked(name: str, method: Method[Any]) -> Method[Any]:
    """A method that lacks a part of the contract is refused when it enters, by name."""
    lacks = [
        part
        for part in ("name", "aliases", "description", "fidelity", "config", "needs", "fit")
        if not hasattr(method, part)
    ]
    if lacks:
        raise UserError(
            f"the method {name!r} lacks {', '.join(lacks)}", fix="docs/add_a_method.md shows a complete one"
        )
    if method.name != name:
        raise UserError(
            f"the method registered as {name!r} calls itself {method.name!r}", fix="give both the same name"
        )
    return method
