"""Things of one kind that are found by name: the files of a package, and what other packages add by entry point.

Nothing is imported until it is asked for. A package of others that cannot be loaded costs its own name alone: whoever
lists names never loads it, and whoever asks for it is told which distribution is broken.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from smllmun_bench.errors import UserError, unknown


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`what` a thing is called in messages; `package` whose files hold one each, as `attribute`; `group` of the entry
    points (name = `module:attribute`). A file `grad_diff.py` holds the thing called `grad-diff`; `parts` are the names
    that each of them must have, `guide` the page that shows a complete one."""

    what: str
    package: str
    attribute: str
    group: str
    parts: tuple[str, ...]
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
        """Every one there is, in alphabetical order; imports none."""
        ours = self.files()
        theirs = [point.name for point in self._points()]
        twice = sorted({name for name in theirs if name in ours or theirs.count(name) > 1})
        if twice:
            fix = f"rename one entry point of the group {self.group}"
            raise UserError(f"two {self.what}s are called {twice[0]!r}", fix=fix)
        return sorted([*ours, *theirs])

    def find(self, name: str) -> Any | None:
        """The thing of exactly that name; None if there is none. Raises UserError for one that is not complete."""
        ours = self.files()
        if name in ours:
            return self._checked(name, getattr(importlib.import_module(ours[name]), self.attribute))
        point = next((point for point in self._points() if point.name == name), None)
        return None if point is None else self._checked(name, self._loaded(point))

    def get(self, name: str, *, where: str = "") -> Any:
        """The same; raises the `unknown` error with the nearest name."""
        found = self.find(name)
        if found is None:
            raise unknown(self.what, name, self.names(), where=where)
        return found

    def _points(self) -> list[EntryPoint]:
        return list(entry_points(group=self.group))

    def _loaded(self, point: EntryPoint) -> Any:
        try:
            return point.load()
        except (Exception, SystemExit) as error:
            package = point.dist.name if point.dist is not None else point.value
            raise UserError(
                f"the {self.what} {point.name!r} of the package {package!r} cannot be loaded: "
                f"{type(error).__name__}: {error}",
                where=f"entry point {point.value!r}, group {self.group!r}",
                fix=f"mend or uninstall {package}",
            ) from error

    def _checked(self, name: str, found: Any) -> Any:
        lacks = [part for part in self.parts if not hasattr(found, part)]
        if lacks:
            fix = f"{self.guide} shows a complete one"
            raise UserError(f"the {self.what} {name!r} lacks {', '.join(lacks)}", fix=fix)
        if found.name != name:
            raise UserError(
                f"the {self.what} registered as {name!r} calls itself {found.name!r}", fix="give both the same name"
            )
        return found
