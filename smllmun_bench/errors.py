"""What a user did wrong, said so that they can mend it. A bug of ours is a plain exception, never one of these."""

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType


class UserError(Exception):
    """Bad input: what is wrong, where it stands (file, row, key), and what to do about it.

    The command line prints `str(error)` on stderr and exits with 2; no traceback.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.fix = what, where, fix

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  at   {self.where}")
        if self.fix:
            lines.append(f"  try  {self.fix}")
        return "\n".join(lines)


class Notice(UserWarning):
    """Something to know while the work goes on; the command line tells it on stderr, as one line and once."""


class PassedOver(Notice):
    """Something given is damaged or does not fit and was left out, so that the rest goes on."""


class RunFailed(UserError):
    """The run could not be finished for a reason that is recorded with it (a model that gives NaN, say)."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is spelled most like `name`, or None when nothing comes close."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
    return by_folded[close[0]] if close else None


def unknown(kind: str, name: str, known: Iterable[str], *, where: str = "") -> UserError:
    """The error for a name that is not registered, with the nearest one that is."""
    known = sorted(known)
    close = nearest(name, known)
    if close:
        fix = f"{close!r}"
    elif known:
        fix = "one of " + ", ".join(repr(candidate) for candidate in known[:12]) + (" …" if len(known) > 12 else "")
    else:
        fix = ""
    return UserError(f"unknown {kind} {name!r}", where=where, fix=fix)


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional dependency, or say which extra brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise UserError(
            f"this needs the package {missing.name!r}, which is not installed",
            fix=f"pip install 'smllmun-bench[{extra}]'",
        ) from missing


_SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas", "|": "vertical bars"}


def check_separator(header: str, expected: str, *, where: str) -> None:
    """Raise UserError where the first line of a table has another separator than the expected one, and not that."""
    if expected in header:
        return
    for sign, name in _SEPARATORS.items():
        if sign in header:
            raise UserError(
                f"the columns are separated by {name}, expected {_SEPARATORS[expected]}",
                where=where,
                fix="save it with the other separator",
            )
