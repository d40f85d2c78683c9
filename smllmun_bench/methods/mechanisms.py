"""What an artifact of kind `hooks` or `gate` does while it is mounted, by name: no code of `fit` is needed for that.

A mechanism is a function `(vlm, tensors, settings)` that returns a context manager. Inside it the model answers
otherwise; on any exit it is exactly as before. Other packages add theirs under the entry point group
`smllmun_bench.mechanisms` (name = `module:function`), so that an artifact can name installed code and no other.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from smllmun_bench.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.models.vlm import Vlm

GROUP = "smllmun_bench.mechanisms"

Settings = Mapping[str, Any]
"""JSON: text, numbers, true, false, null, lists and objects of these."""

Mechanism = Callable[["Vlm", Mapping[str, "Tensor"], Settings], AbstractContextManager[Any]]

_OURS = {
    "steering": "smllmun_bench.methods._erasure:steering",
    "corruption": "smllmun_bench.methods._corruption:corruption",
    "feature-edit": "smllmun_bench.methods._sae:feature_edit",
    "preamble": "smllmun_bench.methods._words:preamble",
    "name-filter": "smllmun_bench.methods._words:name_filter",
}


def mechanism(name: str) -> Mechanism:
    """Raises UserError with the nearest name."""
    if name in _OURS:
        module, _, function = _OURS[name].partition(":")
        found: Mechanism = getattr(import_module(module), function)
        return found
    theirs = {point.name: point for point in entry_points(group=GROUP)}
    if name not in theirs:
        raise unknown("mechanism", name, [*_OURS, *theirs])
    found = theirs[name].load()
    return found
