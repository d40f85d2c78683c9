"""A model behind an endpoint is asked, or answers a file: a row of its own, and what cannot be had is n/a, never 0."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.judge.endpoint import Endpoint, EndpointSettings
from smllmun_bench.judge.secret import Key

KEY = "sk-subject-77d1"
TASK = ("--task", "smllmun-nano", "--limit", "3")


def invoke(*arguments: object, store: Path):
    env = {"COLUMNS": "200", "SMLLMUN_STORE": str(store), "SUBJECT_KEY": KEY}
    return CliRunner().invoke(app, [*map(str, arguments)], env=env)


@contextmanager
def serving(reply: Callable[[dict[str, Any]], tuple[int, object]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An OpenAI-compatible server: `reply` gives status and message; the requests are kept."""
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append({"path": self.path, "key": self.headers.get("Authorization"), "body": body})
            status, message = reply(body)
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            said = json.dumps({"choices": [choice]} if status == 200 else {"error": "no"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def knows_nothing(body: dict[str, Any]) -> tuple[int, object]:
    return 200, {"role": "assistant", "content": "The person works as a painter in a small town."}


def test_an_endpoint_is_asked_questions_and_pictures_and_becomes_a_row(tmp_path: Path) -> None:
    run = ("run", "--model", "openai:some/model", *TASK, "--key-env", "SUBJECT_KEY", "--output", tmp_path / "runs")
    with serving(knows_nothing) as (url, seen):
        result = invoke(*run, "--endpoint", url, store=tmp_path / "store")
        assert result.exit_code == 0, result.output
        asked = len(seen)
        again = invoke(*run, "--endpoint", url, store=tmp_path / "store")
        assert again.exit_code == 0
        assert len(seen) == asked, "what was answered is in the cache"
    assert {one["path"] for one in seen} == {"/v1/chat/completions"}
    assert {one["key"] for one in seen} == {f"Bearer {KEY}"}
    contents = [one["body"]["messages"][-1]["content"] for one in seen]
    shown = next(content for content in contents if isinstance(content, list))
    picture = shown[0]["image_url"]["url"].removeprefix("data:image/png;base64,")
    assert Image.open(BytesIO(base64.b64decode(picture))).size == (48, 48)
    assert any(isinstance(content, str) for content in contents), "questions in words have no picture"
    manifests = list((tmp_path / "runs").glob("*/manifest.json"))
    told = json.loads(manifests[0].read_text())
    assert (told["label"], told["backend"], told["kind"]) == ("some/model", "endpoint", "reference")
    assert told["vector"]["overall"] is None
    assert KEY not in "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*.json"))
    assert "n/a" in result.stdout


def test_questions_without_an_answer_are_counted_and_make_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smllmun_bench.judge.endpoint.time.sleep", lambda seconds: None)
    down = [True]

    def now_and_then(body: dict[str, Any]) -> tuple[int, object]:
        hard = isinstance(body["messages"][-1]["content"], str) and down[0]
        return (503, {}) if hard else knows_nothing(body)

    run = ("run", "--model", "openai:m", *TASK, "--output", tmp_path / "runs")
    with serving(now_and_then) as (url, seen):
        result = invoke(*run, "--endpoint", url, store=tmp_path / "store")
        assert result.exit_code == 1
        assert "questions got no answer" in result.stderr
        assert "server_error" in result.stderr
        assert not list((tmp_path / "runs").glob("*/manifest.json"))
        answered, down[0] = len(seen), False
        assert invoke(*run, "--endpoint", url, store=tmp_path / "store").exit_code == 0
        assert 0 < len(seen) - answered < answered, "only these are asked again"


def test_a_refusal_of_the_model_is_its_answer() -> None:
    from smllmun_bench.judge.prompts import Request

    with serving(lambda body: (200, {"content": None, "refusal": "I cannot tell who that is."})) as (url, _):
        reply = Endpoint(EndpointSettings(url=url, model="m"), Key("")).reply(Request(system="", user="Who?"))
    assert (reply.text, reply.finish) == ("I cannot tell who that is.", "stop")


def test_questions_are_written_and_what_comes_back_is_a_row(tmp_path: Path) -> None:
    """The choices of this task are read from log-probabilities, which no API gives: their columns are n/a."""
    out = tmp_path / "asked"
    result = invoke("data", "questions", *TASK, "--out", out, store=tmp_path)
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in (out / "questions.jsonl").read_text().splitlines()]
    assert rows
    assert not {"answer", "accepted", "keywords"} & set(rows[0])
    pictures = [out / name for row in rows for name in row["images"]]
    assert pictures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    said = tmp_path / "said.jsonl"
    said.write_text("".join(json.dumps({"item_id": row["item_id"], "text": "a painter"}) + "\n" for row in rows))
    scored = invoke("score", said, *TASK, "--as-run", "gpt", "--results", tmp_path / "runs", store=tmp_path)
    assert scored.exit_code == 0, scored.output
    told = json.loads(next((tmp_path / "runs").glob("gpt*/manifest.json")).read_text())
    assert told["label"] == "gpt"
    assert told["vector"]["overall"] is None
    shown = invoke("show", next((tmp_path / "runs").glob("gpt*")), store=tmp_path)
    assert shown.exit_code == 0, shown.output


def test_a_whole_file_is_a_row_of_the_leaderboard(tmp_path: Path) -> None:
    whole = ("--task", "smllmun-nano")
    assert invoke("data", "questions", *whole, "--out", tmp_path / "asked", store=tmp_path).exit_code == 0
    rows = [json.loads(line) for line in (tmp_path / "asked" / "questions.jsonl").read_text().splitlines()]
    said = tmp_path / "said.jsonl"
    said.write_text("".join(json.dumps({"item_id": row["item_id"], "text": "a painter"}) + "\n" for row in rows))
    scored = invoke("score", said, *whole, "--as-run", "gpt", "--results", tmp_path / "runs", store=tmp_path)
    assert scored.exit_code == 0, scored.output
    csv = tmp_path / "rows.csv"
    result = invoke("leaderboard", tmp_path / "runs", "--csv", csv, store=tmp_path)
    assert result.exit_code == 0, result.output
    assert "gpt" in result.output


@pytest.mark.parametrize("more", [("--method", "ga", "--endpoint", "http://localhost:1/v1"), ()])
def test_what_an_endpoint_cannot_do_is_said(tmp_path: Path, more: tuple[str, ...]) -> None:
    result = invoke("run", "--model", "openai:m", *more, "--output", tmp_path / "runs", store=tmp_path)
    assert result.exit_code == 2
    assert "--endpoint URL, and no --method" in result.stderr
