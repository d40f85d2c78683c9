"""A judge behind an OpenAI-compatible HTTP endpoint: POST <url>/chat/completions.

Temperature 0. Tried again, with growing pauses, where another attempt may help; a status that says that no request
can succeed (wrong key, no such model) stops everything with one readable error.
"""

import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import IO, Any

from pydantic import Field, PositiveFloat, PositiveInt

from smllmun_bench.config import Frozen
from smllmun_bench.errors import UserError
from smllmun_bench.judge.prompts import Request
from smllmun_bench.judge.protocol import Failure, JudgeFailed
from smllmun_bench.judge.secret import Key

_AGAIN = {408, 409, 425, 429}  # and all 5xx
_LARGEST = 4 * 2**20  # bytes of one answer
_CHUNK = 64 * 2**10
_SHOWN = 200  # characters of a server's own words in a message
_NOBODY = 10  # answers without a connection, and none with one: there is nobody


class EndpointSettings(Frozen):
    """`timeout_s` bounds one attempt as a whole; pauses double from `pause_s` up to `longest_pause_s`, with jitter."""

    url: str
    model: str
    max_tokens: PositiveInt = 64
    timeout_s: PositiveFloat = 60.0
    attempts: PositiveInt = 4
    pause_s: float = Field(default=1.0, ge=0)
    longest_pause_s: float = Field(default=60.0, ge=0)
    parallel: PositiveInt = 8


class Endpoint:
    """Holds the key and never gives it away: every word of the server is searched for it first."""

    def __init__(self, settings: EndpointSettings, key: Key) -> None:
        self._settings, self._key = settings, key
        self._url = _checked(settings.url) + "/chat/completions"
        self._open = urllib.request.build_opener(_NoRedirect).open
        self._lock = threading.Lock()
        self._heard, self._unheard = False, 0  # did the endpoint ever speak; how often did it not

    @property
    def identity(self) -> Mapping[str, str | int | float]:
        settings = self._settings
        return {
            "kind": "endpoint",
            "url": settings.url.rstrip("/"),
            "model": settings.model,
            "temperature": 0,
            "max_tokens": settings.max_tokens,
        }

    @property
    def parallel(self) -> int:
        return self._settings.parallel

    def answer(self, request: Request) -> str:
        """The judge's words. Raises JudgeFailed after the last attempt or a refusal, UserError if none can succeed."""
        last = JudgeFailed(Failure.UNREACHABLE, "no attempt")
        for attempt in range(self._settings.attempts):
            try:
                return self._once(request)
            except _TryAgain as again:
                last = JudgeFailed(again.failure, again.detail)
                if attempt + 1 < self._settings.attempts:
                    time.sleep(self._pause(attempt, again.after_s))
        self._still_there(last)
        raise last

    def _still_there(self, last: JudgeFailed) -> None:
        """Raise UserError if nobody ever answered: a thousand answers would each wait for nothing."""
        with self._lock:
            self._unheard += last.failure is Failure.UNREACHABLE
            nobody = not self._heard and self._unheard >= _NOBODY
        if nobody:
            raise UserError(
                f"the judge's endpoint does not answer: {last.detail}",
                where=self._url,
                fix="start it, or a longer --timeout; what was rated is in the cache",
            )

    def _pause(self, attempt: int, wished: float | None) -> float:
        grown = self._settings.pause_s * float(2**attempt) * random.uniform(0.5, 1.0)  # jitter: not all at once
        return min(self._settings.longest_pause_s, max(grown, wished or 0.0))

    def _once(self, request: Request) -> str:
        body = {
            "model": self._settings.model,
            "messages": [{"role": "system", "content": request.system}, {"role": "user", "content": request.user}],
            "temperature": 0,
            "max_tokens": self._settings.max_tokens,
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json"} | self._key.headers()
        sent = urllib.request.Request(self._url, json.dumps(body).encode(), headers, method="POST")
        try:
            return self._read(self._post(sent))
        except urllib.error.HTTPError as error:
            self._heard = True
            raise self._status(error) from None
        except TimeoutError:
            raise _TryAgain(Failure.UNREACHABLE, f"no answer within {self._settings.timeout_s:g} s") from None
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            reason = getattr(error, "reason", None) or error
            raise _TryAgain(Failure.UNREACHABLE, self._words(str(reason) or type(reason).__name__)) from None

    def _post(self, sent: urllib.request.Request) -> bytes:
        """The body of the answer. The socket's timeout bounds each read, the deadline all of them together."""
        deadline = time.monotonic() + self._settings.timeout_s
        with self._open(sent, timeout=self._settings.timeout_s) as answer:
            self._heard = True
            body = b""
            while chunk := answer.read1(_CHUNK):
                body += chunk
                if time.monotonic() > deadline:
                    raise TimeoutError
                if len(body) > _LARGEST:
                    raise _TryAgain(Failure.MALFORMED, f"more than {_LARGEST} bytes")
            if (left := answer.length) is not None and left > 0:
                raise http.client.IncompleteRead(body, left)
        return body

    def _read(self, body: bytes) -> str:
        try:
            choice = json.loads(body)["choices"][0]
            message, finish = choice["message"], choice.get("finish_reason")
            content, refusal = message.get("content"), message.get("refusal")
        except (ValueError, LookupError, TypeError, AttributeError):
            shown = self._words(body.decode(errors="replace"))
            raise _TryAgain(Failure.MALFORMED, f"not a chat completion: {shown}") from None
        if refusal or finish == "content_filter":
            raise JudgeFailed(Failure.REFUSED, self._words(str(refusal or "content filter")))
        if not isinstance(content, str):
            raise _TryAgain(Failure.MALFORMED, "a chat completion without content")
        return self._key.hide(content)

    def _status(self, error: urllib.error.HTTPError) -> Exception:
        said = f"status {error.code}: {self._words(_body(error))}"
        if error.code in _AGAIN or error.code >= 500:
            return _TryAgain(Failure.SERVER_ERROR, said, _retry_after(error.headers))
        if 300 <= error.code < 400:
            fix = "the address itself: a redirect is not followed, so that the key goes nowhere else"
        elif error.code in (401, 403):
            fix = "--key-env with the variable that holds the endpoint's key"
        elif error.code == 404:
            fix = "the address up to and with /v1, and a model that the endpoint has"
        else:
            return JudgeFailed(Failure.SERVER_ERROR, said)  # this request does not please; another may
        return UserError(f"the judge's endpoint does not work: {said}", where=self._url, fix=fix)

    def _words(self, text: str) -> str:
        """Somebody else's words, without the key, on one line, not too many. Cut last: half a key is one too."""
        line = " ".join(self._key.hide(text).split())
        return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"


class _TryAgain(Exception):
    def __init__(self, failure: Failure, detail: str, after_s: float | None = None) -> None:
        super().__init__(detail)
        self.failure, self.detail, self.after_s = failure, detail, after_s


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """urllib would send the key along to wherever the answer points."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


def _checked(url: str) -> str:
    """The address without a trailing slash. Raises UserError, without repeating what may be a password."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError("the endpoint is no http or https address", where="--endpoint", fix="http://localhost:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError(
            "the address carries a password or a query, which would be written into records",
            where="--endpoint",
            fix="the bare address; the key comes from --key-env",
        )
    return url.rstrip("/")


def _body(error: urllib.error.HTTPError) -> str:
    try:
        return error.read(_CHUNK).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""


def _retry_after(headers: Any) -> float | None:
    value = headers.get("Retry-After") if headers is not None else None
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None  # a date: the growing pauses will do
