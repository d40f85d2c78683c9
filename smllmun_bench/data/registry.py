"""Adapters by name: where the items of a task come from. Other packages add theirs under `smllmun_bench.adapters`."""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from smllmun_bench.catalogue import load
from smllmun_bench.data.source import Source
from smllmun_bench.errors import UserError, unknown

GROUP = "smllmun_bench.adapters"
_OURS = {
    "smllmun_synthetic": "smllmun_bench.data.synthetic.smllmun:smllmun_synthetic",
    "canonical_folder": "smllmun_bench.data.folder:canonical_folder",
    "easy_vqa": "smllmun_bench.data.general.easyvqa:EasyVqa",
    "general_language": "smllmun_bench.data.general.language:GeneralLanguage",
    "mapped": "smllmun_bench.data.mapped:mapped",
    **{
        name: f"smllmun_bench.data.benchmarks.{module}:{name}"
        for name, module in {
            "mllmu_bench": "mllmu",
            "clear": "clear",
            "umu_bench": "umu",
            "tofu": "tofu",
            "fiubench": "fiubench",
            "offside": "offside",
            "safe_eraser": "safe_eraser",
            "unlok_vqa": "unlok",
            "mlubench": "mlubench",
        }.items()
    },
    **{
        name: f"smllmun_bench.data.general.{module}:{name}"
        for name, module in {
            "mme": "mme",
            "pope": "pope",
            "mmbench": "mmbench",
            "mmmu": "mmmu",
            "gqa": "gqa",
            "scienceqa": "scienceqa",
            "seed_bench": "seed_bench",
            "vqav2": "soft",
            "vizwiz": "soft",
            "textvqa": "soft",
            "mm_vet": "judged",
            "llava_bench": "judged",
        }.items()
    },
}


def open_source(name: str, args: Mapping[str, Any], *, where: str = "") -> Source:
    """The source that adapter `name` gives for these arguments.

    Raises UserError for an unknown adapter or argument, with the nearest one, and for an argument of the wrong type.
    """
    source: Source = _find(name, where)(**check_arguments(name, args, where=where))
    return source


def check_arguments(name: str, args: Mapping[str, Any], *, where: str = "") -> dict[str, Any]:
    """The arguments as adapter `name` wants them, without opening anything. Raises UserError as `open_source` does."""
    accepted = _signature(name, where)
    for key in args:
        if key not in accepted:
            raise unknown(f"argument of adapter {name!r}", key, accepted, where=where)
    typed = {key: _typed(key, value, accepted[key].annotation, name, where) for key, value in args.items()}
    missing = [key for key, part in accepted.items() if part.default is part.empty and key not in args]
    if missing:
        raise UserError(f"adapter {name!r} needs {missing[0]!r}", where=where, fix=f"args: {{{missing[0]}: …}}")
    return typed


def accepts(name: str, argument: str, *, where: str = "") -> bool:
    """Whether adapter `name` has an argument of that name."""
    return argument in _signature(name, where)


def _typed(key: str, value: object, expected: Any, adapter: str, where: str) -> object:
    """The value as the adapter wants it: YAML's text for a path becomes one. Raises UserError for another type."""
    kinds = [kind for kind in (get_args(expected) or (expected,)) if isinstance(kind, type)]
    if Path in kinds and isinstance(value, str):
        return Path(value).expanduser()
    if not kinds or (isinstance(value, tuple(kinds)) and (type(value) is not bool or bool in kinds)):
        return value
    wanted = " or ".join("null" if kind is NoneType else kind.__name__ for kind in kinds)
    raise UserError(f"{key} is {value!r}, expected {wanted}", where=where, fix=f"see adapter {adapter!r}")


def _signature(name: str, where: str) -> Mapping[str, inspect.Parameter]:
    adapter = _find(name, where)
    try:
        return inspect.signature(adapter).parameters
    except (TypeError, ValueError):
        raise UserError(f"adapter {name!r} is nothing that can be called with arguments", where=where) from None


def _find(name: str, where: str) -> Callable[..., Source]:
    """Ours first: no other package changes what a name of ours means."""
    if name in _OURS:
        module, _, attribute = _OURS[name].partition(":")
        ours: Callable[..., Source] = getattr(import_module(module), attribute)
        return ours
    theirs = {point.name: point for point in entry_points(group=GROUP)}
    if name not in theirs:
        raise unknown("adapter", name, [*_OURS, *theirs], where=where)
    found: Callable[..., Source] = load(theirs[name], "adapter")
    return found
