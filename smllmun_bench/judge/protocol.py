"""What every judge is: something that answers a request with text, or says why not."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from smllmun_bench.judge.prompts import Request


class Failure(StrEnum):
    """Why there is no rating."""

    UNREACHABLE = "unreachable"  # no connection, a closed one, or no answer in time, after all attempts
    SERVER_ERROR = "server_error"  # an error status, after all attempts
    MALFORMED = "malformed"  # an answer that is not the protocol's, after all attempts
    REFUSED = "refused"  # the judge declined, or its content filter did
    UNPARSABLE = "unparsable"  # text that is no rating
    CRASHED = "crashed"  # a local judge raised


class JudgeFailed(Exception):
    """One answer could not be judged; the others go on. The detail is fit to be shown: it holds no key."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(f"{failure.value}: {detail}")
        self.failure, self.detail = failure, detail


class Judge(Protocol):
    """`identity` is everything that an answer depends on, without secrets; it is recorded and part of cache keys.

    `answer` is called from up to `parallel` threads at once.
    """

    @property
    def identity(self) -> Mapping[str, str | int | float]: ...

    @property
    def parallel(self) -> int: ...

    def answer(self, request: Request) -> str:
        """The judge's words. Raises JudgeFailed for this request, and UserError where no request can succeed."""
        ...
