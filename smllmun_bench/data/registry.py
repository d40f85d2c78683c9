"""Adapters by name: where the items of a task come from. Other packages add theirs under `smllmun_bench.adapters`."""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from smllmun_bench.data.source import Source
from smllmun_bench.errors import UserError, unknown

GROUP = "smllmun_bench.adapters"
_OURS = {
    "smllmun_synthetic": "smllmun_bench.data.smllmun:smllmun_synthetic",
    "canonical_folder": "smllmun_bench.data.folder:canonical_folder",
    "easy_vqa": "smllmun_bench.data.easyvqa:EasyVqa",
}


def open_source(name: str, args: Mapping[str, Any], *, where: str = "") -> Source:
    """The source that adapter `name` gives for these arguments.

    Raises UserError for an unknown adapter or argument, with the nearest one, and for an argument of the wrong type.
    """
    adapter = _find(name, where)
    accepted = inspect.signature(adapter).parameters
    for key, value in args.items():
        if key not in accepted:
            raise unknown(f"argument of adapter {name!r}", key, accepted, where=where)
        expected = accepted[key].annotation
        if isinstance(expected, type) and not (
            (isinstance(value, expected) and type(value) is not bool) or expected is bool
        ):
            raise UserError(
                f"{key} is {value!r}, expected {expected.__name__}", where=where, fix=f"see adapter {name!r}"
            )
    missing = [key for key, part in accepted.items() if part.default is part.empty and key not in args]
    if missing:
        raise UserError(f"adapter {name!r} needs {missing[0]!r}", where=where, fix=f"args: {{{missing[0]}: …}}")
    source: Source = adapter(**args)
    return source


def _find(name: str, where: str) -> Callable[..., Source]:
    targets = dict(_OURS) | {point.name: point.value for point in entry_points(group=GROUP)}
    if name not in targets:
        raise unknown("adapter", name, targets, where=where)
    module, _, attribute = targets[name].partition(":")
    adapter: Callable[..., Source] = getattr(import_module(module), attribute)
    return adapter
