"""Run folders of others: a damaged one is named and left out, the others are shown, and nothing ends in a trace."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_folders import made
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.results.manifest import FILE, SCORES
from smllmun_bench.results.run_folder import ITEMS

VALUES = (None, "", "text", [], [1], {}, {"a": 1}, -1, 1e300, 10**400, True, float("nan"), float("inf"), "\ud800")
DEEP = "[" * 100_000 + "]" * 100_000
GATE = {
    "verdict": "ok",
    "measurable": ["forget_image"],
    "checks": [
        {"column": "a", "against": "b", "target": 1, "other": 0, "difference": [1, 0, 1, 0.1], "holds": True},
    ],
}
GOLD = [
    {"column": "a", "n": 1, "distance": 0.1, "target_distance": 0.2, "closeness": None, "truth_n": 0}
    | {"ks_d": None, "ks_p": None, "js": None}
]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for run_id in ("target", "gold", "good", "bad"):
        made(tmp_path, run_id)
        (tmp_path / run_id / SCORES).write_text(json.dumps({"gate": GATE, "gold": GOLD}))
    return tmp_path


def asked(runs: Path) -> list[str]:
    """The output of each command that reads `bad`; `good` is in every leaderboard."""
    said = []
    for arguments in (
        ("leaderboard", runs),
        ("show", runs / "bad"),
        ("show", "good", "--results", runs),
        ("compare", runs / "good", runs / "bad"),
        ("compare", "bad", "good", "--results", runs, "--json"),
        ("export", runs / "bad", "--out", runs / "out", "--store", runs / "store"),
    ):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), (arguments, result.exception)
        assert result.exit_code in (0, 2), (arguments, result.output)
        if arguments[0] == "leaderboard" or arguments[1] == "good":
            assert result.exit_code == 0, result.output
            assert "good" in result.stdout
        said.append(result.stdout + result.stderr)
    return said


def paths(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, child in below for path in paths(child, (*at, key)))]


def put(whole: object, path: tuple[str | int, ...], value: object) -> object:
    if not path:
        return value
    copy = json.loads(json.dumps(whole))
    here = copy
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    return copy


def mutations(path: Path, count: int, seed: int) -> list[str]:
    """A few of all: each key with each value, each key gone, too deep, cut off."""
    whole, chance = json.loads(path.read_text()), random.Random(seed)
    places = [place for place in paths(whole) if place[:1] != ("environment",)]
    odd = [json.dumps(put(whole, place, value)) for place in places for value in VALUES]
    gone = [json.dumps({k: v for k, v in whole.items() if k != key}) for key in whole]
    text = path.read_text()
    deep = text.replace('"config":null', f'"config":{DEEP}', 1)
    return [*chance.sample(odd, count), *chance.sample(gone, min(len(gone), 6)), deep, DEEP, text[: len(text) // 2], ""]


@pytest.mark.parametrize("name", [FILE, SCORES])
def test_a_damaged_json_file_costs_its_own_run_alone(runs: Path, name: str) -> None:
    path = runs / "bad" / name
    good = path.read_text()
    for text in mutations(path, 30, seed=1):
        path.write_text(text)
        asked(runs)
    path.write_bytes(good.encode().replace(b"a", b"\xff"))
    asked(runs)


ODD: dict[str, Callable[[dict[str, object]], None]] = {
    "role": lambda row: row.update(role="villain"),
    "kind": lambda row: row.update(kind=""),
    "modality": lambda row: row.update(modality="smell"),
    "state": lambda row: row.update(state="x"),
    "nan": lambda row: row.update(headline=float("nan")),
    "infinite": lambda row: row.update(headline=float("inf")),
    "negative": lambda row: row.update(headline=-1.0),
    "null-headline": lambda row: row.update(headline=None),
    "null-id": lambda row: row.update(item_id=None),
    "null-text": lambda row: row.update(text=None),
    "null-entity": lambda row: row.update(entity_id=None),
    "values-nan": lambda row: row.update(values='{"meaningful": NaN}'),
    "values-text": lambda row: row.update(values='{"meaningful": "x"}'),
    "values-list": lambda row: row.update(values="[1]"),
    "values-null": lambda row: row.update(values=None),
    "values-deep": lambda row: row.update(values=DEEP),
}


@pytest.mark.parametrize("change", ODD)
def test_an_odd_row_is_named(runs: Path, change: str) -> None:
    path = runs / "bad" / ITEMS
    rows = pq.read_table(path).to_pylist()
    ODD[change](rows[2])
    pq.write_table(pa.Table.from_pylist(rows), path)
    leaderboard, show, *_ = asked(runs)
    assert f"left out: {runs / 'bad'}" in leaderboard
    assert "row 3, column" in leaderboard
    assert "row 3, column" in show


def test_odd_columns_and_damaged_bytes(runs: Path) -> None:
    path = runs / "bad" / ITEMS
    whole, table, chance = path.read_bytes(), pq.read_table(path), random.Random(0)
    for name in table.column_names:
        pq.write_table(table.drop_columns([name]), path)
        asked(runs)
    for name in ("item_id", "headline", "values", "role"):
        pq.write_table(table.set_column(table.column_names.index(name), name, pa.array([[1]] * len(table))), path)
        asked(runs)
    pq.write_table(table.slice(0, 0), path)
    asked(runs)
    for _ in range(20):
        damaged = bytearray(whole)
        for place in chance.sample(range(len(whole)), 3):
            damaged[place] ^= chance.randrange(1, 256)
        path.write_bytes(damaged)
        asked(runs)
    path.write_bytes(b"")
    asked(runs)
    path.unlink()
    path.mkdir()
    asked(runs)


def test_the_folder_of_a_damaged_manifest_is_named_in_a_warning(runs: Path) -> None:
    (runs / "bad" / FILE).write_text('{"run_id": 3}')
    result = CliRunner().invoke(app, ["leaderboard", str(runs)])
    assert result.stderr.startswith("warning: left out: not a manifest of a run: ")
    assert str(runs / "bad") in result.stderr


def test_a_damaged_target_costs_the_answers_before(runs: Path) -> None:
    (runs / "target" / ITEMS).write_bytes(b"x")
    result = CliRunner().invoke(app, ["show", str(runs / "good")])
    assert result.exit_code == 0
    assert "warning: the target's answers are left out: not a readable Parquet file" in result.stderr
