"""The API key: read from an environment variable, shown nowhere."""

import os
from collections.abc import Mapping

from smllmun_bench.errors import UserError

HIDDEN = "[key hidden]"


class Key:
    """A key that prints as nothing. `hide` takes it out of a text that somebody else wrote."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Key(hidden)" if self._value else "Key(none)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled")

    def headers(self) -> dict[str, str]:
        """The header that carries the key, for the request and nothing else."""
        return {"Authorization": f"Bearer {self._value}"} if self._value else {}

    def hide(self, text: str) -> str:
        return text.replace(self._value, HIDDEN) if self._value else text


def from_environment(variable: str | None, environ: Mapping[str, str] = os.environ) -> Key:
    """The key in that variable; no variable, no key. Raises UserError if it is unset, empty or not one word."""
    if variable is None:
        return Key("")
    value = environ.get(variable, "").strip()
    if not value:
        raise UserError(f"the variable {variable!r} is not set", where="--key-env", fix=f"export {variable}=…")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise UserError(f"the variable {variable!r} holds no key: not one word of ASCII", where="--key-env")
    return Key(value)
