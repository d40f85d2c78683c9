"""A judge that is a Python function: `module:function`, (system, user) -> its words, or a number."""

import hashlib
import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from smllmun_bench.errors import UserError
from smllmun_bench.judge.prompts import Request
from smllmun_bench.judge.protocol import Failure, JudgeFailed


class Function:
    """`parallel` calls at once: 1 unless the function may be called from several threads."""

    def __init__(self, name: str, *, parallel: int = 1) -> None:
        self._name, self._parallel = name, parallel
        self._call = _find(name)

    @cached_property
    def identity(self) -> Mapping[str, str | int | float]:
        """Its name and the digest of its source file: an edited function is another judge."""
        file = inspect.getsourcefile(self._call)
        source = hashlib.sha256(Path(file).read_bytes()).hexdigest()[:32] if file else ""
        return {"kind": "function", "model": self._name, "source": source}

    @property
    def parallel(self) -> int:
        return self._parallel

    def answer(self, request: Request) -> str:
        try:
            said = self._call(request.system, request.user)
        except Exception as error:  # whatever it raises, one answer is not judged and the others are
            raise JudgeFailed(Failure.CRASHED, f"{type(error).__name__}: {error}") from error
        return str(said)


def _find(name: str) -> Callable[[str, str], Any]:
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise UserError(f"{name!r} names no function", where="--function", fix="module:function")
    try:
        found: object = importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"cannot import {module!r}: {error}", where="--function", fix="a module on the path (PYTHONPATH)"
        ) from None
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not inspect.isfunction(found):
        raise UserError(f"{module!r} has no function {attribute!r}", where="--function")
    return found
