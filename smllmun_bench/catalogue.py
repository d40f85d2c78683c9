"""Things of one kind that are found by name: the files of a package, and what other packages add by entry point.

Nothing is imported until it is asked for. A package of others that cannot be loaded costs its own name alone: whoever
lists names never loads it, and whoever asks for it is told which distribution is broken.
"""

import importlib
import pkgutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from smllmun_bench.errors import PassedOver, UserError, unknown


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`what` a thing is called in messages; `package` whose files hold one each, as `attribute`; `group` of the entry
    points (name = `module:attribute`). A file `grad_diff.py` holds the thing called `grad-diff`; `parts` is what
    each of them must have and of what type, `guide` the page that shows a complete one."""

    what: str
    package: str
    attribute: str
    group: str
    parts: Mapping[str, type]
    guide: str

    def files(self) -> dict[str, str]:
        """Name -> module, of those that ship with this package."""
        folder = importlib.import_module(self.package).__path__
        return {
            module.name.replace("_", "-"): f"{self.package}.{module.name}"
            for module in pkgutil.iter_modules(folder)
            if module.name != "base" and not module.ispkg
        }

    def names(self) -> list[str]:
        """Every one there is, in alphabetical order; imports none. A name that is taken stays with who has it."""
        names = list(self.files())
        for point in self._points():
            if point.name in names:
                warn(f"two {self.what}s are called {point.name!r}; that of {distribution(point)} is left out")
            else:
                names.append(point.name)
        return sorted(names)

    def usable(self) -> list[str]:
        """The names of those that can be loaded; a warning for each of the others."""
        ours, good = self.files(), []
        for name in self.names():
            try:
                if name not in ours:
                    self.find(name)
                good.append(name)
            except UserError as error:
                warn(f"left out: {error}")
        return good

    def find(self, name: str) -> Any | None:
        """The thing of exactly that name; None if there is none. Raises UserError for one that is not complete."""
        ours = self.files()
        if name in ours:
            return self._checked(name, getattr(importlib.import_module(ours[name]), self.attribute))
        point = next((point for point in self._points() if point.name == name), None)
        return None if point is None else load(point, self.what, lambda found: self._checked(name, found))

    def get(self, name: str, *, where: str = "") -> Any:
        """The same; raises the `unknown` error with the nearest name."""
        found = self.find(name)
        if found is None:
            raise unknown(self.what, name, self.names(), where=where)
        return found

    def _points(self) -> list[EntryPoint]:
        return list(entry_points(group=self.group))

    def _checked(self, name: str, found: Any) -> Any:
        fix = f"{self.guide} shows a complete one"
        lacks = [part for part in self.parts if not hasattr(found, part)]
        if lacks:
            raise UserError(f"the {self.what} {name!r} lacks {', '.join(lacks)}", fix=fix)
        for part, kind in self.parts.items():
            if not isinstance(getattr(found, part), kind):
                raise UserError(f"{part} of the {self.what} {name!r} is no {kind.__name__}", fix=fix)
        if found.name != name:
            raise UserError(
                f"the {self.what} registered as {name!r} calls itself {found.name!r}", fix="give both the same name"
            )
        return found


def distribution(point: EntryPoint) -> str:
    """The package that an entry point belongs to."""
    return repr(point.dist.name if point.dist is not None else point.value)


def load(point: EntryPoint, what: str, check: Callable[[Any], Any] = lambda found: found) -> Any:
    """What an entry point names, checked. Raises UserError, naming the distribution, for one that cannot be loaded."""
    try:
        return check(point.load())
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        package = distribution(point)
        raise UserError(
            f"the {what} {point.name!r} of the package {package} cannot be loaded: {type(error).__name__}: {error}",
            where=f"entry point {point.value!r}, group {point.group!r}",
            fix=f"mend or uninstall {package}",
        ) from error


def warn(message: str) -> None:
    warnings.warn(PassedOver(message), stacklevel=3)
