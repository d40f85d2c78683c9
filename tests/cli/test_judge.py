"""`judge` from the command line, on a run folder, with a real server and with functions."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from run_folders import made
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.results.manifest import SCORES
from smllmun_bench.results.scored_items import write_scored_items
from smllmun_bench.schema import Item, Kind, Modality, Prediction, Role, Score

KEY = "sk-cli-77aa01"
FUNCTIONS = """
def by_length(system, user):
    return len(user.split("Answer to grade: ")[1].split(chr(10))[0]) % 11
def nearly(system, user):
    return min(10, by_length(system, user) + 1)
def moody(system, user):
    if "Ben" in user:
        raise ValueError("no")
    return "ten" if "Cara" in user else 10
"""
# role, modality, person, what the model said
ANSWERS = [
    (role, modality, person, said)
    for role in (Role.FORGET, Role.RETAIN, Role.UNDERSTANDING_FORGET, Role.UNDERSTANDING_RETAIN, Role.GENERAL)
    for modality in (Modality.IMAGE_TEXT, Modality.TEXT)
    for person, said in (("p1", "Ann"), ("p2", "Ben"), ("p3", "Cara"))
]


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["judge", *(str(argument) for argument in arguments)], env={"COLUMNS": "160"})


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMLLMUN_STORE", str(tmp_path / "store"))
    (tmp_path / "cli_judges.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cli_judges", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `score --output` leaves, with one answer by log-probability, which no judge can read."""
    items, answers, scores = [], [], []
    for number, (role, modality, person, said) in enumerate(ANSWERS):
        items.append(Item(f"i{number}", "b", person, role, modality, Kind.OPEN, f"Who is {number}?", "Ann"))
        answers.append(Prediction(f"i{number}", "r", said))
        scores.append(Score(f"i{number}", person, role, modality, Kind.OPEN, "correct", 1.0, {}))
    items.append(Item("c", "b", "p1", Role.RETAIN, Modality.TEXT, Kind.CHOICE, "Which?", "A", choices=("A", "B")))
    answers.append(Prediction("c", "r", "", finish_reason="none", option_logprobs=(-1.0, -2.0)))
    scores.append(Score("c", "p1", Role.RETAIN, Modality.TEXT, Kind.CHOICE, "correct", 1.0, {}))
    path = tmp_path / "scored"
    path.mkdir()
    write_scored_items(path / "items.parquet", items, answers, scores)
    return path


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append(self.headers.get("Authorization", ""))
            grade = "0" if "Ben" in body["messages"][1]["content"] else "9"
            data = json.dumps({"choices": [{"message": {"content": grade}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", seen
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_endpoint_rates_a_run_once_and_its_scores_stay(
    folder: Path, server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url, seen = server
    monkeypatch.setenv("JUDGE_KEY", KEY)
    before = (folder / "items.parquet").read_bytes()
    options = (folder, "--endpoint", url, "--model", "Qwen/Plus", "--key-env", "JUDGE_KEY", "--json")
    first = invoke(*options)
    assert first.exit_code == 0, first.stderr
    assert len(seen) == 24  # general questions and the choice are not asked
    assert set(seen) == {f"Bearer {KEY}"}
    found = json.loads(first.stdout)
    assert {cell["role"] for cell in found["cells"]} == {
        "forget", "retain", "understanding_forget", "understanding_retain",
    }  # fmt: skip
    assert {cell["mean"] for cell in found["cells"]} == {6.0}
    assert found["composites"] == {"overall_understanding": 6.0, "overall_memory": 0.0, "overall_meaningful": None}
    path = folder / "judge-fact-v1-qwen-plus.json"
    written = path.read_bytes()
    assert invoke(*options).exit_code == 0
    assert len(seen) == 24  # from the cache
    assert path.read_bytes() == written
    assert (folder / "items.parquet").read_bytes() == before
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]
    assert KEY not in first.stdout + first.stderr


def test_meaningful_is_another_file_with_its_own_composite(folder: Path, server: tuple[str, list[str]]) -> None:
    result = invoke(folder, "--endpoint", server[0], "--model", "m", "--prompt", "meaningful", "--role", "forget")
    assert result.exit_code == 0, result.stderr
    assert "overall meaningful (paper's, scale 0 to 10): 6.000" in result.stdout
    assert "meaningful, version 1 (reconstruction)" in result.stdout
    record = json.loads((folder / "judge-meaningful-v1-m.json").read_text())
    assert {item["role"] for item in record["items"]} == {"forget"}


def test_what_was_not_rated_is_shown_and_fails_the_command(folder: Path) -> None:
    result = invoke(
        "--role", "retain", folder, "--function", "cli_judges:moody", "--output", folder / "x.json", "--json"
    )
    assert result.exit_code == 1
    cells = json.loads(result.stdout)["cells"]
    assert [cell["failures"] for cell in cells] == [{"unparsable": 1, "crashed": 1}] * 2
    assert [(cell["n"], cell["rated"], cell["mean"]) for cell in cells] == [(3, 1, 10.0)] * 2
    assert [(round(cell["worst"], 3), cell["best"]) for cell in cells] == [(3.333, 10.0)] * 2
    shown = invoke(folder, "--function", "cli_judges:moody", "--output", folder / "y.json")
    assert "1 unparsable, 1 crashed" in " ".join(shown.stdout.split())
    assert "3.33 … 10.00" in shown.stdout
    assert "crashed, for example: i1: ValueError: no" in shown.stdout
    assert "unparsable, for example: i2: 'ten'" in shown.stdout


def test_two_judges(folder: Path, tmp_path: Path) -> None:
    for name in ("by_length", "nearly", "moody"):
        invoke(folder, "--function", f"cli_judges:{name}", "--output", tmp_path / f"{name}.json", "-q")
    found = json.loads(invoke("agreement", tmp_path / "by_length.json", tmp_path / "nearly.json", "--json").stdout)
    assert (found["n"], found["same"], found["within_one"]) == (24, 0.0, 1.0)
    assert found["pearson"] == pytest.approx(1.0)
    assert found["kappa"] < 0 < found["weighted_kappa"] + 1
    table = invoke("agreement", tmp_path / "by_length.json", tmp_path / "moody.json").stdout
    assert "rated by both" in table
    assert "16, 0, 0" in table


def test_judges_of_different_things_are_not_compared(folder: Path, tmp_path: Path) -> None:
    for prompt in ("fact", "meaningful"):
        invoke(
            folder, "--function", "cli_judges:by_length", "--prompt", prompt, "--output", tmp_path / f"{prompt}.json"
        )
    result = invoke("agreement", tmp_path / "fact.json", tmp_path / "meaningful.json")
    assert result.exit_code == 2
    assert "different prompts" in result.stderr
    (tmp_path / "bad.json").write_text('{"run": 1}')
    broken = invoke("agreement", tmp_path / "fact.json", tmp_path / "bad.json")
    assert f"{tmp_path / 'bad.json'}, key 'run'" in broken.stderr


def test_ratings_beside_a_run_are_shown_with_it(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for run_id in ("target", "gold", "good", "plain"):
        made(runs, run_id)
        (runs / run_id / SCORES).write_text("{}")
    assert invoke(runs / "good", "--function", "cli_judges:by_length").exit_code == 0

    def said(*arguments: object):
        return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "120"})

    shown = said("show", runs / "good").stdout
    assert "fact, version 1" in shown
    assert "overall memory (paper's, scale" in shown
    assert "judged" not in said("show", runs / "plain").stdout
    assert "rated by a judge too (`smllmun-bench show RUN`): good\n" in said("leaderboard", runs).stdout
    (rated,) = (runs / "good").glob("judge-*.json")
    rated.rename(runs / "plain" / rated.name)
    kept = rated.with_name("judge-fact-v1-other.json")
    kept.write_text("{")
    assert "judge-fact-v1-other.json" in said("show", runs / "good").stderr
    kept.write_text((runs / "plain" / rated.name).read_text().replace('"items_digest": "', '"items_digest": "0'))
    assert "rates other answers than this run has now" in " ".join(said("show", runs / "good").stdout.split())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "name one judge"),
        (("--endpoint", "http://127.0.0.1:9/v1"), "no model is named"),
        (("--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--function", "a:b"), "name one judge"),
        (
            ("--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--key-env", "NO_SUCH_KEY"),
            "'NO_SUCH_KEY' is not set",
        ),
        (("--function", "cli_judges:none"), "has no function 'none'"),
        (("--function", "cli_judges:moody", "--prompt", "fcat"), "unknown prompt 'fcat'"),
        (("--function", "cli_judges:moody", "--role", "real"), "no written answer of these roles"),
    ],
)
def test_bad_input_is_one_readable_error(folder: Path, options: tuple[str, ...], says: str) -> None:
    result = invoke(folder, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_help_needs_no_heavy_package() -> None:
    code = (
        "import sys, contextlib, io\n"
        "from smllmun_bench.cli.main import app\n"
        "for command in ('judge', 'judge run', 'judge agreement', 'compare', 'score'):\n"
        "    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "        app([*command.split(), '--help'])\n"
        "print([n for n in ('torch', 'transformers', 'datasets', 'pandas', 'scipy.stats') if n in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--timeout", "nan", "Input should be"),
        ("--timeout", "inf", "Input should be"),
        ("--pause", "1e12", "less than or equal to 86400"),
        ("--output", "/dev/null/x", "/dev/null is no folder"),
        ("--cache", "/dev/null/x", "/dev/null is no folder"),
        ("--cache", "/proc/x", "cannot be written"),
    ],
)
def test_an_option_that_cannot_be_is_one_message_before_anybody_is_asked(
    folder: Path, server: tuple[str, list[str]], option: str, value: str, said: str
) -> None:
    url, seen = server
    told = invoke(folder, "--endpoint", url, "--model", "m", option, value)
    assert (told.exit_code, seen) == (2, [])
    assert said in told.stderr
    assert "Traceback" not in told.stderr
