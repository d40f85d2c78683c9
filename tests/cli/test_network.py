"""No request of any kind without `--online`: every command is run while all sockets are watched."""

import json
import os
import socket
import threading

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.data.hub import Hub, locate
from smllmun_bench.errors import UserError

HUB_TASKS = ("pope", "clear/forget-05", "mllmu-bench/forget-10", "tofu/forget-10", "mmbench")


class Server:
    """Listens on this machine and counts who comes."""

    def __init__(self) -> None:
        self.visits: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            with visitor:
                self.visits.append(visitor.recv(4096))
                visitor.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def watched(monkeypatch, tmp_path):
    """A server that the hub's client is pointed to, with a token to give away, and a list of all who were called."""
    server, called = Server(), []

    def connect(self, address):
        if self.family != socket.AF_UNIX:
            called.append(address)
        return original(self, address)

    original = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", connect)
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for name in ("constants.ENDPOINT", "hf_api.ENDPOINT"):
        monkeypatch.setattr(f"huggingface_hub.{name}", server.address, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("SMLLMUN_STORE", str(tmp_path / "store"))
    yield server, called
    server.close()


@pytest.fixture
def files(tmp_path):
    answers = tmp_path / "answers.jsonl"
    answers.write_text(json.dumps({"item_id": "pope.random.1", "text": "yes"}) + "\n")
    folder = tmp_path / "canonical"
    folder.mkdir()
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: items\n  data_files: SERVER/items.parquet\n---\n", encoding="utf-8"
    )
    task = tmp_path / "mine.yaml"
    task.write_text(
        "name: mine\nversion: 1\ndescription: mine\nsource: ours\nfidelity: reconstruction\nlicence: CC0\n"
        "adapter: {name: canonical_folder}\nforget_percents: {available: [10], default: 10}\nprompt: question_only\n"
        "generation: {max_new_tokens: 8}\nmetrics: {open: {headline: key_fact}}\n"
        "direction: {forget: {text: down}, retain: {text: up}}\n"
    )
    return answers, folder, task


def test_the_watch_sees_a_request(watched):
    """Without this the test below could not fail."""
    server, called = watched
    with pytest.raises(UserError, match="cannot be fetched"):
        locate(None, Hub("somebody/set"))
    assert called
    assert any(b"hf_secret" in visit for visit in server.visits)


def commands(answers, folder, task, out):
    for name in HUB_TASKS:
        yield ["score", answers, "--task", name]
        yield ["data", "vqa", answers, "--task", name]
        yield ["run", "--task", name, "--method", "ga", "--model", "nano", "--output", out]
        yield ["tune", "--task", name, "--method", "ga", "--model", "nano"]
    yield ["data", "validate", folder, "--task", task]
    yield ["data", "convert", folder, "--task", task, "--out", out / "converted"]
    yield ["run", "--task", task, "--data", folder, "--method", "ga", "--model", "nano", "--output", out]
    yield ["models", "check", "somebody/model"]
    yield ["run", "--model", "somebody/model", "--method", "ga", "--output", out]
    yield ["judge", answers, "--task", "pope", "--local", "somebody/model"]
    yield ["export", out, "--as", "merged"]
    yield from (["tasks"], ["methods"], ["models", "list"], ["validate", str(task)], ["sanity", "--help"])


def test_no_command_asks_anybody(watched, files, tmp_path):
    server, called = watched
    answers, folder, task = files
    card = (folder / "README.md").read_text().replace("SERVER", server.address)
    (folder / "README.md").write_text(card)
    seen = 0
    for command in commands(answers, folder, task, tmp_path / "out"):
        before = len(called)
        done = CliRunner().invoke(app, [str(part) for part in command])
        assert (called[before:], server.visits) == ([], []), command
        assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exception)
        seen += 1
    assert seen > 20
    assert os.environ["HF_HUB_OFFLINE"] == "0"  # as it was


def test_what_is_not_here_is_told_with_the_way_out(watched, files):
    done = CliRunner().invoke(app, ["score", str(files[0]), "--task", "pope"])
    assert done.exit_code == 2
    assert "is not on this machine and cannot be fetched" in done.output
    assert "--data DIR" in done.output
    assert "run --online" in done.output
