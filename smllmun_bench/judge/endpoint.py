"""A judge behind an OpenAI-compatible HTTP endpoint: POST <url>/chat/completions.

One pool of connections for all threads; no proxy and nothing else of the environment, so that the key goes to the
endpoint alone. Temperature 0. Tried again, with growing pauses, where another attempt may help; a status that says that
no request can succeed (wrong key, no such model) stops everything with one readable error.
"""

import json
import random
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2
from pydantic import Field, PositiveInt

from smllmun_bench.config import Frozen
from smllmun_bench.errors import UserError
from smllmun_bench.judge.prompts import Request
from smllmun_bench.judge.protocol import Failure, JudgeFailed
from smllmun_bench.judge.secret import Key

LONGEST_S = 86_400  # a day: what is longer is a slip of the keyboard
_AGAIN = {408, 409, 425, 429}  # and all 5xx
_LARGEST = 4 * 2**20  # bytes of one answer
_SHOWN = 200  # characters of a server's own words in a message
_NOBODY = 10  # answers without a connection, and none with one: there is nobody


class EndpointSettings(Frozen):
    """`timeout_s` bounds one attempt as a whole; pauses double from `pause_s` up to `longest_pause_s`, with jitter."""

    url: str
    model: str
    max_tokens: PositiveInt = 64
    timeout_s: float = Field(default=60.0, gt=0, le=LONGEST_S)
    attempts: PositiveInt = 4
    pause_s: float = Field(default=1.0, ge=0, le=LONGEST_S)
    longest_pause_s: float = Field(default=60.0, ge=0, le=LONGEST_S)
    parallel: PositiveInt = 8


@dataclass(frozen=True, slots=True)
class Reply:
    """`finish`: the endpoint's word for why the text ended (`stop`, `length`)."""

    text: str
    finish: str
    refused: bool = False


class Endpoint:
    """Holds the key and never gives it away: every word of the server is searched for it first."""

    def __init__(self, settings: EndpointSettings, key: Key) -> None:
        self._settings, self._key = settings, key
        self._url = _checked(settings.url) + "/chat/completions"
        self._client = httpx2.Client(
            trust_env=False,
            follow_redirects=False,  # it would send the key along to wherever the answer points
            timeout=settings.timeout_s,
            limits=httpx2.Limits(max_connections=settings.parallel),
        )
        weakref.finalize(self, self._client.close)
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
        reply = self.reply(request)
        if reply.refused:
            raise JudgeFailed(Failure.REFUSED, self._words(reply.text))
        return reply.text

    def reply(self, request: Request) -> Reply:
        """The same with why it ended; a refusal in the model's own words is one too."""
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

    def _once(self, request: Request) -> Reply:
        body = {
            "model": self._settings.model,
            "messages": _messages(request),
            "temperature": 0,
            "max_tokens": self._settings.max_tokens,
        }
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"} | self._key.headers()
        try:
            status, said, wished = self._post(body, headers)
        except (httpx2.TimeoutException, TimeoutError):
            raise _TryAgain(Failure.UNREACHABLE, f"no answer within {self._settings.timeout_s:g} s") from None
        except (OSError, httpx2.HTTPError) as error:
            raise _TryAgain(Failure.UNREACHABLE, self._words(str(error) or type(error).__name__)) from None
        if status == httpx2.codes.OK:
            return self._read(said)
        raise self._refused(status, said, wished)

    def _post(self, body: object, headers: Mapping[str, str]) -> tuple[int, bytes, float | None]:
        """Status, body and the pause that the server wishes. The client's timeout bounds each read, the deadline all
        of them together."""
        deadline = time.monotonic() + self._settings.timeout_s
        said = b""
        with self._client.stream("POST", self._url, json=body, headers=headers) as answer:
            self._heard = True
            for chunk in answer.iter_bytes():
                said += chunk
                if time.monotonic() > deadline:
                    raise TimeoutError
                if len(said) > _LARGEST:
                    raise _TryAgain(Failure.MALFORMED, f"more than {_LARGEST} bytes")
            return answer.status_code, said, _retry_after(answer.headers)

    def _read(self, body: bytes) -> Reply:
        try:
            choice = json.loads(body.decode())["choices"][0]  # JSON on a wire is UTF-8: no other code is guessed
            message, finish = choice["message"], choice.get("finish_reason")
            content, refusal = message.get("content"), message.get("refusal")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            shown = self._words(body.decode(errors="replace"))
            raise _TryAgain(Failure.MALFORMED, f"not a chat completion: {shown}") from None
        if refusal:
            return Reply(self._key.hide(_text(str(refusal))), "stop", refused=True)
        if finish == "content_filter":
            raise JudgeFailed(Failure.REFUSED, "content filter")
        if not isinstance(content, str):
            raise _TryAgain(Failure.MALFORMED, "a chat completion without content")
        return Reply(self._key.hide(_text(content)), str(finish))

    def _refused(self, status: int, body: bytes, wished: float | None) -> Exception:
        said = f"status {status}: {self._words(body.decode(errors='replace'))}"
        if status in _AGAIN or status >= 500:
            return _TryAgain(Failure.SERVER_ERROR, said, wished)
        if 300 <= status < 400:
            fix = "the address itself: a redirect is not followed, so that the key goes nowhere else"
        elif status in (401, 403):
            fix = "--key-env with the variable that holds the endpoint's key"
        elif status == 404:
            fix = "the address up to and with /v1, and a model that the endpoint has"
        else:
            return JudgeFailed(Failure.SERVER_ERROR, said)  # this request does not please; another may
        return UserError(f"the judge's endpoint does not work: {said}", where=self._url, fix=fix)

    def _words(self, text: str) -> str:
        """Somebody else's words, without the key, on one line, not too many. Cut last: half a key is one too."""
        line = " ".join(self._key.hide(_text(text)).split())
        return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"


class _TryAgain(Exception):
    def __init__(self, failure: Failure, detail: str, after_s: float | None = None) -> None:
        super().__init__(detail)
        self.failure, self.detail, self.after_s = failure, detail, after_s


def _messages(request: Request) -> list[dict[str, object]]:
    shown: list[dict[str, object]] = [{"type": "image_url", "image_url": {"url": image}} for image in request.images]
    asked = [*shown, {"type": "text", "text": request.user}] if shown else request.user
    system: list[dict[str, object]] = [{"role": "system", "content": request.system}] if request.system else []
    return [*system, {"role": "user", "content": asked}]


def _checked(url: str) -> str:
    """The address without a trailing slash. Raises UserError, without repeating what may be a password."""
    try:
        parts = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):  # an unfinished bracket, a port of six digits, a host that IDNA has not
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.host or not 0 < (parts.port or 80) < 2**16:
        raise UserError("the endpoint is no http or https address", where="--endpoint", fix="http://localhost:8000/v1")
    if parts.userinfo or parts.query or parts.fragment:
        raise UserError(
            "the address carries a password or a query, which would be written into records",
            where="--endpoint",
            fix="the bare address; the key comes from --key-env",
        )
    return url.rstrip("/")


def _text(said: str) -> str:
    """Without halves of surrogate pairs, which JSON can carry and no file can."""
    return said.encode(errors="replace").decode()


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        wished = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None  # none, or a date: the growing pauses will do
    return wished if 0 <= wished < LONGEST_S else None
