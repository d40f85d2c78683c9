"""What commands print, made safe for terminals at one door: no control characters of others, no character that the
encoding lacks, no traceback of a full disk.

Names, answers and messages come from files of others. Whatever a command writes to stdout or stderr (by `echo`, as a
warning, as an error, by a library) passes here; only the styles of `report.console` reach the terminal as they are.
"""

import errno
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TextIO

# C0, C1, direction marks and overrides, line separators, what has no width, halves of characters, tags
_HIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    r"""The text with everything written out that steers a terminal or cannot be seen; line feeds stay.

    JSON stays JSON: it holds no raw character below U+0020, and all others are written as JSON writes them.

    >>> print(visible("a\x1b[31m \u202e \ufeff"))
    a\x1b[31m \u202e \ufeff
    """
    return _HIDDEN.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    character = found[0]
    return character.encode("unicode_escape").decode() if character < " " else _units(character)


def _units(character: str) -> str:
    r"""`\u202e`; two of them for what lies above U+FFFF."""
    data = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[n : n + 2].hex()}" for n in range(0, len(data), 2))


class Output(io.TextIOBase):
    """A stream that takes every character, and keeps silent from its first failure on (a full disk): `failure`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the stubs have an attribute
        return self._stream.encoding or "utf-8"

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.failure is None:
            with self._noticed():
                self._stream.write(self._fitting(text))
        return len(text)

    def flush(self) -> None:
        if self.failure is None:
            with self._noticed():
                self._stream.flush()

    def discard(self) -> None:
        """Nothing that is still to be written can fail once more when Python ends."""
        with suppress(OSError, ValueError):  # no file behind it
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def _fitting(self, text: str) -> str:
        """As wide as before, so that tables stay in line: `?` for each character that the encoding lacks."""
        return text.encode(self.encoding, "replace").decode(self.encoding)

    @contextmanager
    def _noticed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.EPIPE:  # nobody reads on: `| head`
                raise
            self.failure = error


class Escaped(Output):
    """An output of plain text: nothing in it steers the terminal. What the encoding lacks is written out."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.rich_proxied_file = Output(stream)  # where rich writes: its own styles, and text that its console escaped

    def lost(self) -> OSError | None:
        """Why not everything was written; None: it was."""
        with suppress(BrokenPipeError):
            self.flush()
        return self.failure or self.rich_proxied_file.failure

    def _fitting(self, text: str) -> str:
        shown = visible(text)
        try:
            shown.encode(self.encoding)
        except UnicodeEncodeError:
            return "".join(part if self._has(part) else _units(part) for part in shown)
        return shown

    def _has(self, character: str) -> bool:
        return character.encode(self.encoding, "ignore") != b""


@contextmanager
def escaped_output() -> Iterator[Escaped]:
    """Within the block everything that is printed passes through `Escaped`; gives the one that is stdout."""
    with redirect_stdout(Escaped(sys.stdout)) as output, redirect_stderr(Escaped(sys.stderr)):
        yield output
