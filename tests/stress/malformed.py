"""Malformed inputs through the command line, in this process: an exit code that is promised, never a traceback.

Each door is a kind of file that somebody hands to a command, with a right original and the ways in which it is made
wrong: as bytes, as JSON or YAML, as a table. Some mutations leave a file right; then the command has to serve it.
"""

import csv
import io
import json
import math
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

from commands import TRACEBACK, World
from figures import Figure

SECONDS = 120  # one command; what takes longer hangs
LONG = "long " * 2000
NASTY: tuple[Any, ...] = (
    None, True, -1, 0, 2**70, 0.5, math.nan, math.inf, -1e308, "", " ", "\x1b[31mred\x1b[0m", "\u202egnp.exe", "=1+1",
    "@cmd|' /C calc'!A0", "../../../etc/passwd", "/dev/full", "nul\0byte", "\ud800", LONG, "1e999", "١٢", "a,b;c\td",
    "</script><b>", "[bold]x[/bold]", [], {}, [[[]]], [None], {"": None},
)  # fmt: skip

Mutation = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Door:
    """`put` writes the mutated bytes and says which command reads them; `codes` are those that its help promises."""

    name: str
    original: bytes
    mutations: tuple[Mutation, ...]
    put: Callable[[bytes], list[str]]
    codes: tuple[int, ...] = (0, 2)
    right: tuple[int, ...] = (0,)  # how the original ends
    slow: int = 1  # one try for so many of another door: its command takes seconds


# --- mutations ---------------------------------------------------------------------------------------------------


def as_bytes(data: bytes, random: Random) -> bytes:
    at, length = random.randrange(len(data)), random.randint(1, max(1, len(data) // 3))
    return random.choice(
        (
            data[:at],
            data[:at] + data[at + length :],
            data[:at] + data[at : at + length] + data[at:],
            data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :],
            data[:at]
            + random.choice((b"\0", b"\xff\xfe", b"\x1b]0;x\x07", b"\r", b"\t", b'"', b"{", b"]"))
            + data[at:],
            b"\xef\xbb\xbf" + data,
            data.replace(b"\n", b"\r\n"),
            data + data,
            random.randbytes(length),
            b"",
        )
    )


def as_text(data: bytes, random: Random) -> bytes:
    """Whole lines gone, doubled, moved; another encoding."""
    lines = data.splitlines(keepends=True)
    at = random.randrange(len(lines))
    return random.choice(
        (
            b"".join(lines[:at] + lines[at + 1 :]),
            b"".join([*lines[:at], lines[at], *lines[at:]]),
            b"".join(random.sample(lines, len(lines))),
            b"".join([*lines[:at], b"\n \n", *lines[at:]]),
            data.decode("utf-8").encode(random.choice(("utf-16", "utf-32", "utf-16-be"))),
        )
    )


def nasty_tree(tree: Any, random: Random) -> Any:
    """A copy with one value replaced, one key gone, one key renamed, or one list bent, anywhere."""
    places = list(_places(tree))
    if not places:
        return random.choice(NASTY)
    path = random.choice(places)
    tree = json.loads(json.dumps(tree))
    parent = tree
    for step in path[:-1]:
        parent = parent[step]
    last = path[-1]
    match random.randrange(6):
        case 0:
            del parent[last]
        case 1 if isinstance(parent, dict):
            parent[random.choice([key for key in map(str, NASTY) if len(key) < 50])] = parent.pop(last)
        case 2 if isinstance(parent, dict):
            parent[f"{last}x"] = parent[last]
        case 3:
            parent[last] = [parent[last]]
        case _:
            parent[last] = random.choice(NASTY)
    return tree


def _places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in children:
        yield (*path, key)
        yield from _places(value, (*path, key))


def as_json(data: bytes, random: Random) -> bytes:
    return json.dumps(nasty_tree(json.loads(data), random)).encode()


def as_json_line(data: bytes, random: Random) -> bytes:
    lines = data.splitlines()
    at = random.randrange(len(lines))
    lines[at] = as_json(lines[at], random)
    return b"\n".join(lines) + b"\n"


def as_yaml(data: bytes, random: Random) -> bytes:
    """A nasty tree (JSON is YAML), or what only YAML has: anchors, tags, merges, tabs, several documents."""
    from ruamel.yaml import YAML

    if random.random() < 0.7:
        return json.dumps(nasty_tree(YAML(typ="safe").load(data), random)).encode()
    lines = data.decode().splitlines(keepends=True)
    at = random.randrange(len(lines) + 1)
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    extra = random.choice(
        ("<<: *none\n", "x: !!python/object/apply:os.system ['true']\n", "---\nname: two\n", "\tname: tab\n", bomb,
         "name: again\n", "? [complex]\n: key\n", "1: number\n", "null: null\n", "on: off\n", "%YAML 9.9\n---\n")
    )  # fmt: skip
    return "".join([*lines[:at], extra, *lines[at:]]).encode()


def as_csv(data: bytes, random: Random) -> bytes:
    rows = [line.split(b",") for line in data.splitlines()]
    row = rows[random.randrange(len(rows))]
    at = random.randrange(len(row))
    match random.randrange(4):
        case 0:
            del row[at]
        case 1:
            for each in rows:
                del each[min(at, len(each) - 1)]
        case 2:
            row.insert(at, b"extra")
        case _:
            row[at] = str(random.choice(NASTY)).encode("utf-8", "surrogatepass")
    return b"\n".join(b",".join(row) for row in rows) + b"\n"


def as_parquet(data: bytes, random: Random) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    at = random.randrange(table.num_columns)
    name, n = table.column_names[at], len(table)
    column = random.choice(
        (
            pa.nulls(n),
            pa.array([-1] * n),
            pa.array([math.nan] * n),
            pa.array([b"\xff\xfe"] * n),
            pa.array([[{"deep": [1]}]] * n),
            pa.array([random.choice([x for x in NASTY if isinstance(x, str) and x != "\ud800"])] * n),
            pa.array([True] * n),
            pa.array(["same"] * n).dictionary_encode(),
        )
    )
    changed = random.choice(
        (
            lambda: table.set_column(at, name, column),
            lambda: table.remove_column(at),
            lambda: table.rename_columns([f"{each}\x1b" if each == name else each for each in table.column_names]),
            lambda: table.append_column(name, column),
            lambda: table.slice(0, 0),
            lambda: pa.concat_tables([table, table]),
            lambda: table.select([*table.column_names[at:], *table.column_names[:at]]),
        )
    )()
    sink = io.BytesIO()
    pq.write_table(changed, sink)
    return sink.getvalue()


# --- doors -------------------------------------------------------------------------------------------------------


def doors(world: World, output: Path, judge: "Judge") -> list[Door]:
    """`output`: a finished run's folder, from which the originals come."""
    import pyarrow.parquet as pq

    from smllmun_bench.resources import shipped

    room = world.fresh("malformed")
    run = next(output.glob("npo-*"))
    answers = pq.read_table(run / "predictions.parquet").to_pylist()

    def file(name: str, *command: str) -> Callable[[bytes], list[str]]:
        def put(data: bytes) -> list[str]:
            path = room / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            return [str(path) if part == "FILE" else part for part in command]

        return put

    def in_runs(name: str, *command: str) -> Callable[[bytes], list[str]]:
        """A copy of all runs; the file of that name in the method's is replaced."""

        def put(data: bytes) -> list[str]:
            copy = room / "runs"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(output, copy)
            (copy / run.name / name).write_bytes(data)
            places = {"RUNS": str(copy), "RUN": str(copy / run.name), "TARGET": str(next(copy.glob("target-*")))}
            return [places.get(part, part) for part in command]

        return put

    def shipped_bytes(kind: str, name: str) -> bytes:
        return (shipped(kind) / name).read_bytes()

    def of_run(name: str) -> bytes:
        return (run / name).read_bytes()

    plain, parquet, tree = (
        (as_bytes, as_text),
        (as_bytes, as_parquet, as_parquet),
        (as_bytes, as_text, as_json, as_json),
    )
    yaml, task = (as_bytes, as_text, as_yaml, as_yaml), ("--task", "smllmun-nano")
    lines = "".join(json.dumps(row) + "\n" for row in answers).encode()
    nano_task = shipped_bytes("tasks", "smllmun-nano.yaml")
    board = _board(output / "leaderboard.csv")
    other_board = file("other.csv", "FILE")(board)[0]
    good_answers = file("good.jsonl", "FILE")(lines)[0]
    reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": "7"}}], "usage": {"total_tokens": 3}})
    judge.reply = reply.encode()
    asked = (
        "--endpoint",
        judge.url,
        "--model",
        "j",
        "--attempts",
        "1",
        "--pause",
        "0",
        "--no-cache",
        "--role",
        "retain",
    )

    def to_judge(data: bytes) -> list[str]:
        judge.reply = data
        return ["judge", "run", str(run), *asked, "--output", str(room / "ratings.parquet"), "--quiet"]

    return [
        Door("predictions, JSONL", lines, (*plain, as_json_line, as_json_line),
             file("p.jsonl", "score", "FILE", *task)),
        Door("predictions, Parquet", of_run("predictions.parquet"), parquet,
             file("p.parquet", "score", "FILE", *task)),
        Door("task", nano_task, yaml, file("smllmun-nano.yaml", "validate", "FILE")),
        Door("task, asked", nano_task, yaml, file("smllmun-nano.yaml", "score", good_answers, "--task", "FILE")),
        Door("model card", shipped_bytes("baselines", "models/nano.yaml"), yaml,
             file("models/nano.yaml", "validate", "FILE")),
        Door("recipe", shipped_bytes("baselines", "npo/toy.yaml"), yaml, file("npo/toy.yaml", "validate", "FILE")),
        Door("search space", shipped_bytes("baselines", "npo/space.yaml"), yaml,
             file("npo/space.yaml", "validate", "FILE")),
        Door("run's manifest", of_run("manifest.json"), tree, in_runs("manifest.json", "leaderboard", "RUNS")),
        Door("run's manifest, shown", of_run("manifest.json"), tree, in_runs("manifest.json", "show", "RUN")),
        Door("run's scores", of_run("scores.json"), tree, in_runs("scores.json", "show", "RUN")),
        Door("run's items", of_run("items.parquet"), parquet, in_runs("items.parquet", "compare", "TARGET", "RUN")),
        Door("run's items, judged", of_run("items.parquet"), parquet,
             in_runs("items.parquet", "judge", "run", "RUN", *asked, "--quiet"), (0, 1, 2)),
        Door("run's predictions", of_run("predictions.parquet"), parquet,
             in_runs("predictions.parquet", "sanity", "RUNS"), slow=10),
        Door("leaderboard", board, (*plain, as_csv, as_csv),
             file("board.csv", "agree", other_board, "FILE")),
        Door("golden", _golden(run), tree, file("golden.json", "regress", "--golden", "FILE", "--method", "none-such"),
             right=(2,)),
        Door("judge's reply", reply.encode(), tree, to_judge, (0, 1, 2)),
        Door("data set's rows", data_set(room).read_bytes(), parquet,
             file("set/items/train.parquet", "data", "validate", str(room / "set"), "--task",
                  str(room / "own-set.yaml"), "--no-images"), (0, 1, 2)),
        Door("data set's card", (room / "set" / "README.md").read_bytes(), plain,
             file("set/README.md", "data", "validate", str(room / "set"), "--task", str(room / "own-set.yaml"),
                  "--no-images"), (0, 1, 2)),
    ]  # fmt: skip


def _board(path: Path) -> bytes:
    """The leaderboard with its method under five names, each with scores of its own: fewer make no order."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    (mine,) = (row for row in rows if row["method"] == "npo")
    names = ("npo", "ga", "kl", "dpo", "idk")
    rows += [mine | {"method": name, "overall": str(0.1 * place)} for place, name in enumerate(names[1:], 1)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(mine))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _golden(run: Path) -> bytes:
    manifest = json.loads((run / "manifest.json").read_bytes())
    columns = manifest["vector"]
    golden = {"version": 1, "model": "nano", "task": "smllmun-nano", "forget_ratio": 15, "limit": None}
    return json.dumps(golden | {"entries": {"npo": columns}, "tolerance": dict.fromkeys(columns, 0.01)}).encode()


def data_set(room: Path) -> Path:
    """A small canonical folder at `room / "set"`, and its task at `room / "own-set.yaml"`; the file with its rows."""
    from ruamel.yaml import YAML

    from smllmun_bench.data.synthetic.smllmun import write_folder
    from smllmun_bench.resources import shipped

    write_folder(room / "set", profiles=20, seed=0, image_size=32)
    spec = YAML(typ="safe").load((shipped("tasks") / "smllmun-nano.yaml").read_text())
    del spec["general"]
    del spec["direction"]["general"]
    spec |= {"name": "own-set", "adapter": {"name": "canonical_folder"}}
    spec["forget_percents"] = {"available": [15], "default": 15}
    (room / "own-set.yaml").write_text(json.dumps(spec))
    (rows,) = (room / "set" / "items").glob("*.parquet")
    return rows


class Judge:
    """An endpoint on this machine that replies with given bytes."""

    def __init__(self) -> None:
        self.reply = b""
        judge = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", str(len(judge.reply)))
                self.end_headers()
                self.wfile.write(judge.reply)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


# --- the check ---------------------------------------------------------------------------------------------------


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def called(arguments: list[str], store: Path, codes: tuple[int, ...]) -> str | None:
    """What is wrong with how a command of this process ended."""
    from typer.testing import CliRunner

    from smllmun_bench.cli.main import app

    with _at_most(SECONDS):
        result = CliRunner().invoke(app, arguments, env={"SMLLMUN_STORE": str(store), "COLUMNS": "160"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"{type(result.exception).__name__}: {str(result.exception)[:200]}"
    if TRACEBACK in result.output:
        return "a traceback in what is printed"
    if result.exit_code not in codes:
        return f"exit code {result.exit_code}: {result.output.strip()[-200:]}"
    raw = sorted({f"U+{ord(sign):04X}" for sign in result.output if sign in "\x1b\x07\0\u202e"})
    return f"prints {', '.join(raw)} as it came" if raw else None


def malformed(world: World, random: Random, output: Path, number: int) -> Iterator[Figure]:
    """So many inputs over all doors, each tried as it was first. What was a fault is kept, by number."""
    store, kept = world.store("malformed-store"), world.fresh("malformed-kept")
    here = Path.cwd()
    judge = Judge()
    found = doors(world, output, judge)
    os.chdir(world.fresh("malformed-here"))  # a command may write below the folder that it is called in
    try:
        share = number / sum(1 / door.slow for door in found)
        for place, door in enumerate(found):
            figure = Figure("malformed", door.name)
            if fault := called(door.put(door.original), store, door.right):
                figure.count(f"the original itself: {fault}")
            for index in range(math.ceil(share / door.slow)):
                data = random.choice(door.mutations)(door.original, random)
                arguments = door.put(data)
                fault = called(arguments, store, door.codes)
                if fault:
                    saved = kept / f"{place:02}-{index:03}"
                    saved.write_bytes(data)
                    fault = f"{fault}\n  {saved} in place of the original: smllmun-bench {' '.join(arguments)}"
                figure.count(fault)
            door.put(door.original)  # the next door may look at the same file
            yield figure
    finally:
        os.chdir(here)
        judge.server.shutdown()
        judge.server.server_close()
