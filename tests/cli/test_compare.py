"""`compare`: paired differences, what turned, and refusal where the two runs cannot be compared."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.errors import UserError
from smllmun_bench.metrics.statistics import holm
from smllmun_bench.results.compare import Side, compare, frame, open_side
from smllmun_bench.results.manifest import FILE, RunManifest
from smllmun_bench.results.run_folder import ITEMS
from smllmun_bench.results.scored_items import write_scored_items
from smllmun_bench.schema import Item, Kind, Modality, Prediction, Role, Score
from smllmun_bench.store.environment import environment

PEOPLE = 20
_ROLES = (Role.FORGET, Role.RETAIN, Role.UNDERSTANDING_FORGET)
Verdict = Callable[[Role, int], str]  # (role, person) -> state


def run(
    root: Path,
    run_id: str,
    verdict: Verdict,
    *,
    manifest: dict[str, object] | None = None,
    people: int = PEOPLE,
    question: str = "Who?",
) -> Path:
    """A run folder with one item of each role for each person."""
    items, answers, scores = [], [], []
    for role in _ROLES:
        for person in range(people):
            name, state = f"{role.value}/{person}", verdict(role, person)
            items.append(Item(name, "b", f"p{person}", role, Modality.IMAGE_TEXT, Kind.OPEN, question, "Ann"))
            answers.append(Prediction(name, run_id, f"says {state}"))
            right = float(state == "correct")
            values = {"meaningful": float(state != "broken")}
            scores.append(Score(name, f"p{person}", role, Modality.IMAGE_TEXT, Kind.OPEN, state, right, values))
    folder = root / run_id
    folder.mkdir(parents=True)
    write_scored_items(folder / ITEMS, items, answers, scores)
    common: dict[str, object] = {
        "run_id": run_id, "status": "done", "label": run_id, "kind": "weights", "fidelity": "paper", "model": "m",
        "task": "t", "task_version": 1, "fold": "test", "forget_ratio": 0.1, "seed": 0, "limit": None, "config": None,
        "recipe_source": "", "keys": {}, "digests": {"data": "d", "task": "x", "prompts": "p"}, "version": "0.1.0",
        "environment": environment(),
    }  # fmt: skip
    (folder / FILE).write_text(RunManifest.model_validate(common | (manifest or {})).model_dump_json())
    return folder


def knows(role: Role, person: int) -> str:
    return "correct"


def forgot(role: Role, person: int) -> str:
    """Refuses on everybody who is to be forgotten, breaks on one retained person."""
    if role is Role.FORGET:
        return "refusal"
    return "broken" if role is Role.RETAIN and person == 0 else "correct"


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["compare", *(str(argument) for argument in arguments)], env={"COLUMNS": "160"})


def test_what_moved_and_what_turned(tmp_path: Path) -> None:
    a, b = run(tmp_path, "a", knows), run(tmp_path, "b", forgot)
    found = json.loads(invoke(a, b, "--json").stdout)
    columns = {column["column"]: column for column in found["columns"]}
    assert set(columns) == {
        "forget_image", "retain_image", "understanding_forget", "meaningful", "refusal_forget", "refusal_retain",
        "broken",
    }  # fmt: skip
    forget = columns["forget_image"]
    assert (forget["a"], forget["b"], forget["difference"], forget["low"], forget["high"]) == (1, 0, -1, -1, -1)
    assert forget["p_holm"] < 0.05
    assert forget["smallest"] == 0  # everybody moved alike
    assert columns["retain_image"]["difference"] == pytest.approx(-0.05)
    assert columns["retain_image"]["p_holm"] == 1
    assert columns["understanding_forget"]["p"] == 1
    assert columns["broken"]["difference"] == pytest.approx(1 / 60)
    assert [c["p_holm"] for c in found["columns"]] == holm([c["p"] for c in found["columns"]])
    assert found["turned"] == [["forget", "correct", "refusal", PEOPLE], ["retain", "correct", "broken", 1]]
    (flip,) = [flip for flip in found["flips"] if flip["role"] == "retain"]
    assert (flip["item_id"], flip["state_a"], flip["state_b"]) == ("retain/0", "correct", "broken")
    assert (flip["text_a"], flip["text_b"]) == ("says correct", "says broken")


def test_the_table_says_what_is_in_the_noise(tmp_path: Path) -> None:
    run(tmp_path, "a", knows)
    run(tmp_path, "b", forgot)
    shown = invoke("a", "b", "--results", tmp_path, "--flips", "2").stdout
    (retain,) = [line for line in shown.splitlines() if "retain_image" in line]
    (forget,) = [line for line in shown.splitlines() if "forget_image" in line]
    assert "in the noise" in retain
    assert "in the noise" not in forget
    assert "21 answers turned" in shown
    assert "says refusal (refusal)" in shown


@pytest.mark.parametrize(("people", "verdict"), [(4, "too few people"), (6, "too few people"), (16, "differs")])
def test_a_test_that_could_say_nothing_says_so(tmp_path: Path, people: int, verdict: str) -> None:
    """Everybody forgot everything: with 4 people p is 2/2^4, with 6 people Holm leaves nothing of 2/2^6."""
    a, b = run(tmp_path, "a", knows, people=people), run(tmp_path, "b", forgot, people=people)
    found = {column["column"]: column for column in json.loads(invoke(a, b, "--json").stdout)["columns"]}
    forget = found["forget_image"]
    assert (forget["difference"], forget["verdict"]) == (-1, verdict)
    assert forget["p"] >= forget["least_p"]
    assert found["understanding_forget"]["verdict"] == ("in the noise" if people > 5 else "too few people")


def test_a_run_and_itself_do_not_differ(tmp_path: Path) -> None:
    a = run(tmp_path, "a", forgot)
    found = json.loads(invoke(a, a, "--json").stdout)
    assert found["flips"] == []
    assert {column["difference"] for column in found["columns"]} == {0}
    assert {column["p"] for column in found["columns"]} == {1}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["correct", "wrong", "refusal", "broken"]), min_size=12, max_size=12))
def test_the_other_way_round_is_the_opposite(tmp_path_factory: pytest.TempPathFactory, states: list[str]) -> None:
    root = tmp_path_factory.mktemp("pair")
    one = open_side(str(run(root, "a", knows, people=4)), root)
    other = open_side(str(run(root, "b", lambda r, p: states[4 * _ROLES.index(r) + p], people=4)), root)
    forth, back = compare(one, other, draws=100), compare(other, one, draws=100)
    for there, here in zip(forth.columns, back.columns, strict=True):
        assert (there.column, there.difference, there.p) == (here.column, -here.difference, here.p)
        assert (there.low, there.high) == pytest.approx((-here.high, -here.low))
        assert there.low - 1e-12 <= there.difference <= there.high + 1e-12 or there.identities < 5
    assert len(forth.flips) == len(back.flips) == sum(state != "correct" for state in states)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"digests": {"data": "other", "task": "x"}}, "different data: d and other"),
        ({"task": "u"}, "different tasks: t and u"),
        ({"task_version": 2}, "different versions of the task: 1 and 2"),
        ({"fold": "validation"}, "different folds"),
        ({"forget_ratio": 0.05}, "different forget ratios: 0.1 and 0.05"),
    ],
)
def test_other_data_are_refused(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    result = invoke(run(tmp_path, "a", knows), run(tmp_path, "b", knows, manifest=changes))
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_other_items_are_refused_and_named(tmp_path: Path) -> None:
    a = run(tmp_path, "a", knows)
    fewer = invoke(a, run(tmp_path, "b", knows, people=19))
    assert "3 items were asked in a only: 'forget/19', 'retain/19', 'understanding_forget/19'" in fewer.stderr
    assert fewer.exit_code == 2
    reworded = invoke(a, run(tmp_path, "c", knows, question="What?"))
    assert "60 items have another 'question' in the two runs: 'forget/0'" in reworded.stderr


def test_a_failed_run_is_none(tmp_path: Path) -> None:
    failed = run(tmp_path, "b", knows, manifest={"status": "failed", "error": "NaN"})
    assert "the run failed: NaN" in invoke(run(tmp_path, "a", knows), failed).stderr


def test_scored_files_can_be_compared_and_that_is_said(tmp_path: Path) -> None:
    a, b = run(tmp_path, "a", knows), run(tmp_path, "b", forgot)
    (b / FILE).unlink()
    for name in (b, b / ITEMS):
        result = invoke(a, name)
        assert result.exit_code == 0, result.stderr
        assert "was scored from a file" in result.stdout


def test_two_models_and_one_seed_are_noted(tmp_path: Path) -> None:
    a, b = run(tmp_path, "a", knows), run(tmp_path, "b", knows, manifest={"model": "n"})
    notes = json.loads(invoke(a, b, "--json").stdout)["notes"]
    assert any("two models, m and n" in note for note in notes)
    assert any("one seed of each" in note for note in notes)


def test_one_person_gives_no_power_note(tmp_path: Path) -> None:
    a, b = run(tmp_path, "a", knows, people=1), run(tmp_path, "b", forgot, people=1)
    found: Any = json.loads(invoke(a, b, "--json").stdout)
    assert {column["smallest"] for column in found["columns"] if column["identities"] == 1} == {None}


def test_an_item_that_stands_twice(tmp_path: Path) -> None:
    side = open_side(str(run(tmp_path, "a", knows)), tmp_path)
    twice = Side(side.name, side.path, (*side.rows, side.rows[0]), side.manifest)
    with pytest.raises(UserError, match="stands twice"):
        compare(twice, side)


def test_a_comparison_as_a_data_frame(tmp_path: Path) -> None:
    a, b = (open_side(str(run(tmp_path, name, verdict)), tmp_path) for name, verdict in (("a", knows), ("b", forgot)))
    table = frame(compare(a, b)).set_index("column")
    assert table.loc["forget_image", ["a", "b", "verdict"]].tolist() == [1.0, 0.0, "differs"]


def _seeds(root: Path, label: str, verdict: Verdict, count: int = 2) -> None:
    for seed in range(count):
        about: dict[str, object] = {"label": label, "seed": seed, "target_run": "target", "gold_run": "gold"}
        run(root, f"{label}-{seed}", verdict, manifest=about | _vector(verdict))


def _vector(verdict: Verdict) -> dict[str, object]:
    right = {role: sum(verdict(role, n) == "correct" for n in range(PEOPLE)) / PEOPLE for role in _ROLES}
    return {
        "vector": {
            "forget_image": right[Role.FORGET], "retain_image": right[Role.RETAIN],
            "understanding_forget": right[Role.UNDERSTANDING_FORGET],
        }
    }  # fmt: skip


@pytest.fixture(scope="module")
def methods_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("methods")
    for label in ("target", "gold"):
        about: dict[str, object] = {"label": label, "seed": None, "kind": "reference", "fidelity": None}
        run(root, label, knows, manifest=about)
    _seeds(root, "mine", forgot)
    _seeds(root, "npo", knows)
    return root


def test_two_methods_are_compared_over_seeds_and_people(methods_folder: Path) -> None:
    found = json.loads(invoke("--method", "mine,npo", methods_folder, "--json").stdout)
    assert (found["a"], found["b"], found["seeds_a"], found["seeds_b"]) == ("mine", "npo", [0, 1], [0, 1])
    columns = {column["column"]: column for column in found["columns"]}
    forget, retain = columns["forget_image"], columns["retain_image"]
    assert (forget["a"], forget["b"], forget["difference"], forget["low"], forget["high"]) == (0, 1, 1, 1, 1)
    assert forget["p"] == pytest.approx(2 / 20_001)
    assert forget["verdict"] == "differs"
    assert forget["smallest"] == 0  # everybody moved alike
    assert retain["difference"] == pytest.approx(0.05)
    assert retain["low"] == 0  # one person of twenty is not drawn in 36 % of draws
    assert retain["smallest"] == pytest.approx(2.8016 * (0.05 * 0.95 / PEOPLE) ** 0.5, rel=0.03)
    assert retain["verdict"] == "in the noise"
    assert [c["p_holm"] for c in found["columns"]] == holm([c["p"] for c in found["columns"]])


def test_the_methods_table_fits_and_keeps_its_verdict(methods_folder: Path) -> None:
    command = ["compare", "--method", "mine,npo", str(methods_folder)]
    shown = CliRunner().invoke(app, command, env={"COLUMNS": "60"}).stdout
    (line,) = [line for line in shown.splitlines() if line.lstrip().startswith("forget_image")]
    assert "differs" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "mine"), "two methods and one folder"),
        (("--method", "mine,npp"), "unknown method 'npp'"),
        ((), "one run is named"),
    ],
)
def test_what_cannot_be_compared_is_told(methods_folder: Path, arguments: tuple[str, ...], message: str) -> None:
    result = invoke(*arguments, methods_folder)
    assert result.exit_code == 2
    assert message in result.stderr
