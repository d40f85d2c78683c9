"""A judge over HTTP, against a real server that also misbehaves. The key is looked for wherever it could turn up."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from smllmun_bench.errors import UserError
from smllmun_bench.judge import prompts
from smllmun_bench.judge.cache import Cache
from smllmun_bench.judge.endpoint import Endpoint, EndpointSettings
from smllmun_bench.judge.protocol import Failure, JudgeFailed
from smllmun_bench.judge.rate import Question, failures, rate
from smllmun_bench.judge.secret import Key, from_environment

KEY = "sk-test-5b1f0c2e9d"
ANSWER = {"choices": [{"message": {"content": "0"}}]}
ASK = prompts.load("fact").ask(question="Who?", reference="Ann", answer="Ann.")


@dataclass
class Server:
    """`script` gives, for the number of a request, what the handler does with it; all requests are kept."""

    script: Callable[[int, "Handler"], None]
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    lock: Any = field(default_factory=threading.Lock)


class Handler(BaseHTTPRequestHandler):
    book: Server
    body: dict[str, Any]

    def do_POST(self) -> None:
        self.body = body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        with self.book.lock:
            number = len(self.book.requests)
            self.book.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
        self.book.script(number, self)

    do_GET = do_POST

    def reply(self, body: bytes | str, status: int = 200, **headers: str) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def says(self, content: str | None, **message: object) -> None:
        message = {"role": "assistant", "content": content} | message
        self.reply(json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(script: Callable[[int, Handler], None]) -> Iterator[Server]:
    book = Server(script)
    handler = type("Scripted", (Handler,), {"book": book})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that gave up is what we test
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    book.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield book
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def judge(url: str, **changes: Any) -> Endpoint:
    settings = {"url": url, "model": "m", "pause_s": 0.01, "longest_pause_s": 0.05, "timeout_s": 5.0}
    return Endpoint(EndpointSettings(**(settings | changes)), Key(KEY))


def test_the_request_is_that_of_the_protocol() -> None:
    with serving(lambda _, h: h.says("7")) as server:
        assert judge(server.url + "/").answer(ASK) == "7"
    (sent,) = server.requests
    assert sent["path"] == "/v1/chat/completions"
    assert sent["headers"]["Authorization"] == f"Bearer {KEY}"
    assert sent["body"]["messages"][1]["content"] == ASK.user
    assert (sent["body"]["model"], sent["body"]["temperature"]) == ("m", 0)


def test_without_a_key_nothing_is_sent() -> None:
    with serving(lambda _, h: h.says("7")) as server:
        Endpoint(EndpointSettings(url=server.url, model="m"), Key("")).answer(ASK)
    assert "Authorization" not in server.requests[0]["headers"]


def _closed(handler: Handler) -> None:
    handler.connection.close()


def _cut(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "500")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    handler.connection.close()


@pytest.mark.parametrize(
    "misbehave",
    [
        lambda h: h.reply("overloaded", 500),
        lambda h: h.reply("slow down", 429, Retry_After="0.01"),
        lambda h: h.reply("later", 503, Retry_After="Wed, 21 Oct 2037 07:28:00 GMT"),
        lambda h: h.reply('{"choices": ['),
        lambda h: h.reply('{"choices": []}'),
        lambda h: h.reply("[1]"),
        lambda h: h.reply(b"\xff\xfe"),
        lambda h: h.reply(json.dumps(ANSWER).encode("utf-16")),
        lambda h: h.reply("[" * 100_000),
        lambda h: h.says(None),
        _closed,
        _cut,
    ],
)
def test_a_passing_fault_is_passed_over(misbehave: Callable[[Handler], None]) -> None:
    with serving(lambda n, h: misbehave(h) if n < 2 else h.says("4")) as server:
        assert judge(server.url).answer(ASK) == "4"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("misbehave", "failure", "attempts"),
    [
        (lambda h: h.reply("boom", 500), Failure.SERVER_ERROR, 3),
        (lambda h: h.reply("{"), Failure.MALFORMED, 3),
        (_closed, Failure.UNREACHABLE, 3),
        (_cut, Failure.UNREACHABLE, 3),
        (lambda h: h.says(None, refusal="I will not."), Failure.REFUSED, 1),
        (lambda h: h.reply("too long", 400), Failure.SERVER_ERROR, 1),
    ],
)
def test_a_lasting_fault_is_a_failure_of_its_kind(
    misbehave: Callable[[Handler], None], failure: Failure, attempts: int
) -> None:
    with serving(lambda _, h: misbehave(h)) as server, pytest.raises(JudgeFailed) as caught:
        judge(server.url, attempts=3).answer(ASK)
    assert (caught.value.failure, len(server.requests)) == (failure, attempts)


def test_a_content_filter_is_a_refusal() -> None:
    choice = {"message": {"content": ""}, "finish_reason": "content_filter"}
    with (
        serving(lambda _, h: h.reply(json.dumps({"choices": [choice]}))) as server,
        pytest.raises(JudgeFailed) as caught,
    ):
        judge(server.url).answer(ASK)
    assert caught.value.failure is Failure.REFUSED


def _trickle(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.02)


@pytest.mark.parametrize("slow", [lambda h: time.sleep(1.0), _trickle])
def test_a_slow_server_is_given_up_in_time(slow: Callable[[Handler], None]) -> None:
    with serving(lambda _, h: slow(h)) as server:
        start = time.monotonic()
        with pytest.raises(JudgeFailed) as caught:
            judge(server.url, timeout_s=0.15, attempts=2).answer(ASK)
        assert time.monotonic() - start < 0.9
    assert caught.value.failure is Failure.UNREACHABLE


def test_nobody_there() -> None:
    with serving(lambda _, h: h.says("1")) as server:
        pass
    with pytest.raises(JudgeFailed) as caught:
        judge(server.url, attempts=2).answer(ASK)
    assert caught.value.failure is Failure.UNREACHABLE


def test_an_endpoint_that_never_speaks_stops_the_command() -> None:
    questions = [Question(str(n), "q", "r", str(n)) for n in range(200)]
    with serving(lambda _, h: _closed(h)) as server, pytest.raises(UserError, match="does not answer"):
        rate(questions, prompts.load("fact"), judge(server.url, attempts=1, parallel=4))
    assert len(server.requests) < 40
    with serving(lambda n, h: h.says("3") if n == 0 else _closed(h)) as server:
        ratings = rate(questions[:20], prompts.load("fact"), judge(server.url, attempts=1, parallel=1))
    assert failures(ratings) == {Failure.UNREACHABLE: 19}  # it did speak: then a failure is one


@pytest.mark.parametrize(("status", "fix"), [(401, "--key-env"), (403, "--key-env"), (404, "/v1"), (302, "redirect")])
def test_what_cannot_succeed_stops_at_once(status: int, fix: str) -> None:
    elsewhere: list[int] = []
    with serving(lambda n, h: (elsewhere.append(n), h.says("1"))[1]) as other:
        with (
            serving(lambda _, h: h.reply("no", status, Location=other.url)) as server,
            pytest.raises(UserError) as caught,
        ):
            rate(
                [Question(str(n), "q", "r", str(n)) for n in range(50)],
                prompts.load("fact"),
                judge(server.url, parallel=2),
            )
        assert fix in caught.value.fix
        assert len(server.requests) < 10
    assert elsewhere == []  # the key is carried nowhere else


def _echo(status: int) -> Callable[[Handler], None]:
    return lambda h: h.reply(f"you sent {h.headers['Authorization']}" + "x" * 300, status)


@pytest.mark.parametrize(
    "misbehave",
    [
        _echo(500),
        _echo(400),
        _echo(200),
        lambda h: h.says(h.headers["Authorization"]),
        lambda h: h.says(None, refusal=h.headers["Authorization"]),
    ],
)
def test_the_key_turns_up_nowhere(
    misbehave: Callable[[Handler], None], tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture
) -> None:
    with serving(lambda _, h: misbehave(h)) as server:
        one = judge(server.url, attempts=1)
        ratings = rate([Question("a", "q", "r", "x")], prompts.load("fact"), one, Cache(tmp_path / "cache"))
    kept = "".join(path.read_text() for path in (tmp_path / "cache").rglob("*.json"))
    out, err = capfd.readouterr()
    shown = [repr(ratings), repr(one), repr(one.identity), str(vars(one)), caplog.text, kept, out, err]
    assert ratings[0].rating is None
    assert not [text for text in shown if KEY in text]


@pytest.mark.parametrize("status", [401, 302])
def test_the_key_is_in_no_error(status: int) -> None:
    with serving(lambda _, h: _echo(status)(h)) as server, pytest.raises(UserError) as caught:
        judge(server.url).answer(ASK)
    chain = [caught.value, caught.value.__cause__]
    assert not [part for part in chain if KEY in str(part) or KEY in repr(part)]


def test_the_key_comes_from_the_environment_only() -> None:
    assert from_environment("K", {"K": KEY}).headers() == {"Authorization": f"Bearer {KEY}"}
    assert KEY not in f"{from_environment('K', {'K': KEY})!r} {from_environment('K', {'K': KEY})}"
    for environ in ({}, {"K": " "}, {"K": "two words"}, {"K": "a\nb"}):
        with pytest.raises(UserError, match="variable 'K'") as caught:
            from_environment("K", environ)
        assert "two words" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:8000", "ftp://x/v1", "https://me:hunter2@x/v1", "https://x/v1?api_key=hunter2"),
        *("http://[::1/v1", "http://x:99999999/v1", "http://\u2603.\ud800/v1", "http://-\u00e9-/v1", "http://", ""),
    ],
)
def test_an_address_that_is_none_or_carries_a_secret(url: str) -> None:
    with pytest.raises(UserError) as caught:
        judge(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://[::1]:8000/v1", "https://m\u00fcnchen.example/v1"])
def test_addresses_of_other_kinds_are_addresses(url: str) -> None:
    assert judge(url).identity["url"] == url


def test_proxies_of_the_environment_get_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the key, and not the questions: whatever `http_proxy` says, the endpoint itself is spoken to."""
    with serving(lambda _, h: h.says("1")) as proxy, serving(lambda _, h: h.says("7")) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        assert judge(server.url).answer(ASK) == "7"
    assert proxy.requests == []


def test_connections_are_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "protocol_version", "HTTP/1.1")
    ports: set[int] = set()
    with serving(lambda _, h: (ports.add(h.client_address[1]), h.says("7"))[1]) as server:
        one = judge(server.url)
        for _ in range(5):
            one.answer(ASK)
        del one  # closes them, else the server would wait
    assert len(ports) == 1


def test_halves_of_surrogate_pairs_are_replaced() -> None:
    with serving(lambda _, h: h.reply('{"choices": [{"message": {"content": "7 \\ud800"}}]}')) as server:
        assert judge(server.url).answer(ASK) == "7 ?"


@pytest.mark.parametrize("changes", [{"timeout_s": math.inf}, {"timeout_s": 1e12}, {"pause_s": math.inf}])
def test_times_without_end_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"less than or equal|finite"):
        judge("http://x/v1", **changes)


def test_every_answer_gets_a_rating_or_a_reason_and_is_kept(tmp_path: Path) -> None:
    """A server with a mind of its own: every fifth question it refuses, every fourth answer is no rating."""

    def script(_: int, handler: Handler, body: dict[str, Any]) -> None:
        number = int(body["messages"][1]["content"].split("Answer to grade: ")[1].split()[0])
        if number % 5 == 0:
            handler.says(None, refusal="no")
        else:
            handler.says("good" if number % 4 == 0 else str(number % 10))

    questions = [Question(f"i{n}", "q", "r", str(n)) for n in range(40)]
    fact, cache = prompts.load("fact"), Cache(tmp_path)
    advanced: list[int] = []
    with serving(lambda n, h: script(n, h, h.body)) as server:
        first = rate(questions, fact, judge(server.url, parallel=4), cache, advanced.append)
        assert len(server.requests) == 40
        again = rate(questions, fact, judge(server.url, parallel=4), cache)
        assert len(server.requests) == 48  # only what has no answer is asked again
    assert again == first
    assert [rating.item_id for rating in first] == [question.item_id for question in questions]
    assert failures(first) == {Failure.REFUSED: 8, Failure.UNPARSABLE: 8}
    assert [rating.rating for rating in first[1:4]] == [1, 2, 3]
    assert sum(advanced) == 40


def test_requests_go_out_side_by_side() -> None:
    barrier = threading.Barrier(4, timeout=5)

    def script(_: int, handler: Handler) -> None:
        barrier.wait()  # answers only when four are here at once
        handler.says("5")

    with serving(script) as server:
        ratings = rate(
            [Question(str(n), "q", "r", str(n)) for n in range(8)], prompts.load("fact"), judge(server.url, parallel=4)
        )
    assert [rating.rating for rating in ratings] == [5] * 8


def test_what_reads_the_same_is_asked_once() -> None:
    settled: list[int] = []
    with serving(lambda n, h: h.says(str(n))) as server:
        questions = [Question(str(n), "q", "r", "a") for n in range(6)]
        ratings = rate(questions, prompts.load("fact"), judge(server.url), None, settled.append)
    assert [rating.rating for rating in ratings] == [0] * 6
    assert (len(server.requests), settled) == (1, [6])
