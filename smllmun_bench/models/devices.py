"""Which devices may be named: those that this machine has. Imports torch for other devices than the CPU only."""

import re

from smllmun_bench.errors import UserError

_KINDS = ("cpu", "cuda", "mps")
_SPREAD = ("auto", "balanced", "balanced_low_0", "sequential")  # accelerate's ways to fill what there is


def check_device(device: str, *, where: str = "--device") -> None:
    """Raises UserError unless torch can put a model on `device` here: `cpu`, `mps`, `cuda` or one card, `cuda:1`."""
    named = re.fullmatch(r"cpu|mps|(cuda)(?::([0-9]{1,3}))?", device)
    if named is None:
        raise UserError(f"there is no device {device!r}", where=where, fix="cpu, cuda, cuda:1 or mps")
    if device == "cpu":
        return
    from smllmun_bench.models.libraries import import_libraries

    import_libraries()
    import torch

    kind = named[1] or device
    if not (torch.cuda if kind == "cuda" else torch.backends.mps).is_available():
        raise UserError(f"this machine has no {kind} device that torch can use", where=where, fix="cpu")
    if kind == "cuda" and int(named[2] or 0) >= torch.cuda.device_count():
        raise UserError(f"there is no {device}: this machine has {torch.cuda.device_count()}", where=where, fix="cuda")


def check_device_map(device_map: str | None, *, where: str = "--device-map") -> None:
    """Raises UserError unless it is none, a way to spread a model, or a device."""
    if device_map is None or device_map in _SPREAD:
        return
    if device_map.partition(":")[0] not in _KINDS:
        raise UserError(f"a model cannot be spread by {device_map!r}", where=where, fix=", ".join(_SPREAD))
    check_device(device_map, where=where)
