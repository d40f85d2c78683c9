"""A nano run from the first command to the last: what it prints, what it leaves, what others read of it."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.experiments import run as pipeline_run
from smllmun_bench.report.leaderboard import read_csv

NANO = ("--model", "nano", "--task", "smllmun-nano", "--set", "training.steps=2")


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "160"})


@pytest.fixture(scope="module")
def store(nano_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(nano_store, tmp_path_factory.mktemp("cli") / "store"))


@pytest.fixture(scope="module")
def finished(store: Path) -> tuple[Path, str]:
    """The folder of a run of two methods with two seeds, and what it printed."""
    output = store.parent / "runs"
    result = invoke("run", "-m", "ga,smfa", *NANO, "--seeds", "2", "--store", store, "--output", output)
    assert result.exit_code == 0, result.output
    return output, result.stdout


def folder(output: Path, label: str) -> Path:
    return next(output.glob(f"{label}-nano-*"))


def test_the_table_has_references_then_methods_once_each(finished: tuple[Path, str]) -> None:
    table = finished[1].partition("Scores 0")[0]
    assert re.findall(r"^ ?(\w+)[ ~≈†]+[01]\.", table, re.MULTILINE) == ["base", "target", "gold", "ga", "smfa"]
    assert "±" in table


def test_answers_and_the_mask_are_told(finished: tuple[Path, str]) -> None:
    (line,) = re.findall(r"^smfa mask: correlation .*conflict rate .*0\.5.*masked.*$", finished[1], re.MULTILINE)
    page = line.rpartition(" ")[2]
    assert "random mask" in (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
    assert "refused" in finished[1]
    assert "broken" in finished[1]


def test_every_path_that_is_printed_exists(finished: tuple[Path, str]) -> None:
    paths = re.findall(r"^(?:run|leaderboard) +(/.*)$", finished[1], re.MULTILINE)
    assert len(paths) == 3 + 2 * 2 + 1
    assert all(Path(path).exists() for path in paths)


def test_a_run_folder_has_its_log_and_the_loss_of_every_step(finished: tuple[Path, str], store: Path) -> None:
    for label in ("ga", "smfa"):
        run = folder(finished[0], label)
        log = (run / "log.txt").read_text()
        assert re.search(rf"unlearning with {label}, seed \d: done, .*\n.*unlearn {label}.*: made", log)
        lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == [1, 2] * lines[-1]["training"]
        assert all(len(line) > 2 and isinstance(value, float | int) for line in lines for value in line.values())
    assert "target" in (folder(finished[0], "target") / "log.txt").read_text()


def test_a_reused_stage_brings_its_history(finished: tuple[Path, str], store: Path, tmp_path: Path) -> None:
    again = invoke("run", "-m", "ga", *NANO, "--store", store, "--output", tmp_path)
    assert again.exit_code == 0, again.output
    first = next(finished[0].glob("ga-nano-*-s0-*"))
    assert (tmp_path / first.name / "history.jsonl").read_bytes() == (first / "history.jsonl").read_bytes()
    assert "reused" in (tmp_path / first.name / "log.txt").read_text()


def test_the_csv_holds_all_runs_of_the_folder(store: Path, tmp_path: Path) -> None:
    for method in ("ga", "npo"):
        assert invoke("run", "-m", method, *NANO, "--store", store, "--output", tmp_path).exit_code == 0
    assert {"ga", "npo", "target"} <= {row.method for row in read_csv(tmp_path / "leaderboard.csv")}


def test_the_csv_has_seeds_as_one_row(finished: tuple[Path, str]) -> None:
    rows = {row.method: row for row in read_csv(finished[0] / "leaderboard.csv")}
    assert set(rows) == {"base", "target", "gold", "ga", "smfa"}
    assert (rows["ga"].seeds, rows["gold"].seeds) == (2, 1)


def test_a_second_run_makes_nothing(finished: tuple[Path, str], store: Path, tmp_path: Path) -> None:
    result = invoke("run", "-m", "ga", *NANO, "--store", store, "--output", tmp_path)
    assert result.exit_code == 0
    assert "reused" in result.stdout
    assert " made" not in result.stdout


def test_leaderboard_reads_what_run_left(finished: tuple[Path, str], tmp_path: Path) -> None:
    result = invoke("leaderboard", finished[0], "--csv", tmp_path / "out.csv")
    assert result.exit_code == 0
    assert (tmp_path / "out.csv").read_bytes() == (finished[0] / "leaderboard.csv").read_bytes()


def test_saved_predictions_score_as_the_run_did(finished: tuple[Path, str]) -> None:
    run = folder(finished[0], "ga")
    result = invoke("score", run / "predictions.parquet", "--task", "smllmun-nano", "--json")
    assert result.exit_code == 0, result.stderr
    live = json.loads((run / "scores.json").read_text())
    again = json.loads(result.stdout)
    assert again["cells"] == live["cells"]
    assert again["vector"].items() <= live["vector"].items()


def test_show_has_answers_before_and_after(finished: tuple[Path, str]) -> None:
    by_path = invoke("show", folder(finished[0], "ga"), "--examples", "1", "--role", "forget")
    by_id = invoke(
        "show", folder(finished[0], "ga").name, "--results", finished[0], "--examples", "1", "--role", "forget"
    )
    assert by_path.exit_code == 0, by_path.stderr
    assert by_path.stdout == by_id.stdout
    assert "before" in by_path.stdout
    assert "understanding_forget" not in by_path.stdout


def test_a_limited_run_says_so_and_enters_no_leaderboard(store: Path, tmp_path: Path) -> None:
    result = invoke("run", "-m", "ga", *NANO, "--limit", "2", "--store", store, "--output", tmp_path)
    assert result.exit_code == 0
    assert "limited to 2" in result.stdout.partition("Scores 0")[0]
    assert not (tmp_path / "leaderboard.csv").exists()
    assert invoke("leaderboard", tmp_path).exit_code == 2


@pytest.mark.parametrize(("more", "tried"), [((), ["ga", "npo"]), (("--strict",), ["ga"])])
def test_a_failed_method_is_told_and_the_others_go_on_unless_strict(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], tried: list[str]
) -> None:
    from smllmun_bench.errors import RunFailed

    seen = []

    def fail(context, start, method, config, seed):
        seen.append(method.name)
        raise RunFailed("the loss is no number")

    monkeypatch.setattr(pipeline_run.stages, "unlearn", fail)
    result = invoke("run", "-m", "ga,npo", *NANO, "--limit", "2", "--store", store, "--output", tmp_path, *more)
    assert result.exit_code == 1
    assert seen == tried
    assert "the loss is no number" in result.stdout


def test_ctrl_c_is_one_line_and_130(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline_run.stages, "predict", stop)
    result = invoke("run", "-m", "ga", *NANO, "--limit", "2", "--store", store, "--output", tmp_path)
    assert result.exit_code == 130
    assert "nothing finished is lost: run the same command again" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_empty_store_is_an_error_for_toy_check(tmp_path: Path) -> None:
    result = invoke("toy", "build", "--model", "nano", "--task", "smllmun-nano", "--store", tmp_path, "--check")
    assert result.exit_code == 2
    assert "is not in the store" in result.stderr


def test_toy_build_measures_what_is_there_and_copies_a_layer(store: Path, tmp_path: Path) -> None:
    nano = ("--model", "nano", "--task", "smllmun-nano")
    result = invoke("toy", "build", *nano, "--store", store, "--out", tmp_path / "layer")
    assert result.exit_code == 0, result.output
    assert re.findall(r"^ ?(base|target|gold) +[01]\.\d{3}", result.stdout, re.MULTILINE) == [
        "base",
        "target",
        "gold",
    ]
    assert len(list((tmp_path / "layer").rglob("manifest.json"))) == 3
    assert invoke("toy", "build", *nano, "--store", tmp_path / "layer", "--check").exit_code == 0


def test_sanity_reads_runs_and_says_who_is_fooled(finished: tuple[Path, str], store: Path, tmp_path: Path) -> None:
    told = invoke("sanity", finished[0], "--csv", tmp_path / "planted.csv")
    assert told.exit_code == 0, told.output
    assert "ours: " in told.stdout
    rows = list(csv.DictReader((tmp_path / "planted.csv").read_text().splitlines()))
    assert {row["model"] for row in rows} >= {"gold", "untouched", "name filter"}
    from_one_run = invoke("sanity", folder(finished[0], "ga"), "--json")
    from_store = invoke("sanity", "--model", "nano", "--task", "smllmun-nano", "--store", store, "--json", "-q")
    assert json.loads(from_one_run.stdout) == json.loads(from_store.stdout)
    assert len(json.loads(from_store.stdout)) == len(rows)


def test_sanity_needs_a_target_and_a_gold(finished: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(folder(finished[0], "target"), tmp_path / "target")
    result = invoke("sanity", tmp_path)
    assert result.exit_code == 2
    assert "there is no run of gold" in result.stderr


def test_strict_fails_where_nothing_was_to_forget(store: Path, tmp_path: Path) -> None:
    base = next(path.parent for path in sorted(store.glob("v1/pretrain/*/*/config.json")))
    models = ("--model", base, "--target", base, "--gold", base, "--task", "smllmun-nano", "--limit", "2")
    asked = ("run", "-m", "ga", "--set", "training.steps=1", *models, "--store", store, "--output", tmp_path, "-q")
    strict, lenient = invoke(*asked, "--strict"), invoke(*asked)
    assert (strict.exit_code, lenient.exit_code) == (1, 0)
    assert strict.stderr.count("strict: nothing to forget") == 1


@pytest.mark.parametrize("width", [60, 80, 100, 120, None])
def test_what_commands_print_fits_any_width(finished: tuple[Path, str], store: Path, width: int | None) -> None:
    output = finished[0]
    ga, smfa = folder(output, "ga"), folder(output, "smfa")
    commands: list[tuple[object, ...]] = [
        ("run", "-m", "smfa", *NANO, "--store", store, "--output", output),
        ("leaderboard", output),
        ("compare", ga, smfa),
        ("show", smfa),
    ]
    for command in commands:
        environment = {"COLUMNS": None if width is None else str(width)}
        printed = CliRunner().invoke(app, [str(argument) for argument in command], env=environment)
        assert printed.exit_code == 0, printed.output
        tables = printed.stdout.partition("Scores 0")[0] if command[0] == "run" else printed.stdout
        assert "…" not in tables.replace(" … ", " ")
        if command[0] in ("run", "leaderboard"):
            assert re.search(r"^ *\d* smfa[ ~≈†]+[01-]\.", tables, re.MULTILINE), tables
            assert "overall" in tables.partition("smfa")[0]
