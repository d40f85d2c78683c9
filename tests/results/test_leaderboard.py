"""Run folders become rows: seeds are averaged, and nothing that may not be compared is."""

import json
import random
import shutil
from dataclasses import asdict
from pathlib import Path

import pandas
import pytest
from run_folders import made

from smllmun_bench.errors import PassedOver, UserError
from smllmun_bench.report.leaderboard import caveats, gate_lines
from smllmun_bench.results import leaderboard as st
from smllmun_bench.results.manifest import FILE, Vector
from smllmun_bench.results.run_folder import ITEMS, find_run, find_runs, scores_of
from smllmun_bench.scoring.significance import Noise
from smllmun_bench.scoring.summary import overall, summarise


def test_two_seeds_are_one_row_with_their_mean(tmp_path: Path) -> None:
    made(tmp_path, "target")
    made(tmp_path, "gold", forget=0.0)
    made(tmp_path, "m-0", label="m", forget=0.2)
    made(tmp_path, "m-1", label="m", forget=0.6, seed=1)
    rows, out = st.standings(find_runs(tmp_path))
    row = next(standing for standing in rows if standing.row.method == "m")
    assert out == []
    assert (row.row.seeds, row.seeds) == (2, (0, 1))
    assert row.row.forget_image == pytest.approx(0.4)
    assert row.row.overall == pytest.approx(0.6)  # mean of 0.8 and 0.4
    assert row.row.overall_low is not None
    assert row.intervals["forget_image"].low <= 0.4 <= row.intervals["forget_image"].high


def test_rows_say_what_lies_within_the_noise(tmp_path: Path) -> None:
    """Eight people: forgetting all of them is seen (2/2⁸), forgetting none is not, and equals cannot be told apart."""
    made(tmp_path, "target", people=8)
    made(tmp_path, "gold", forget=0.0, people=8)
    for label, forget in (("all", 0.0), ("too", 0.0), ("none", 1.0)):
        made(tmp_path, f"{label}-0", label=label, settings=label, forget=forget, people=8)
    rows = {standing.row.method: standing.row for standing in st.standings(find_runs(tmp_path))[0]}
    assert rows["all"].p_target == pytest.approx(3 * 2 / 2**8)  # the smallest of three
    assert (rows["all"].within_noise, rows["too"].within_noise) == (Noise.NONE, Noise.ABOVE)
    assert rows["none"].within_noise is Noise.TARGET
    assert (rows["none"].p_target, rows["all"].p_above) == (1, None)
    assert rows["none"].p_above is not None
    assert rows["none"].p_above < 0.05
    assert rows["target"].within_noise is None
    assert "too" in " ".join(caveats(rows.values()))


@pytest.mark.parametrize("methods", [26, 27, 30, 40])
def test_evenly_spaced_methods_without_noise_are_all_told_apart(tmp_path: Path, methods: int) -> None:
    """However many rows a table has: each person answers alike, so no draw turns a pair round."""
    made(tmp_path, "target", people=20)
    made(tmp_path, "gold", forget=0.0, people=20)
    for n in range(methods):
        made(tmp_path, f"m{n}-0", label=f"m{n}", settings=str(n), forget=n / (methods + 1), people=20)
    rows = [s.row for s in st.standings(find_runs(tmp_path))[0] if s.row.kind != "reference"]
    assert [row.method for row in rows if row.within_noise is not Noise.NONE] == []
    assert max(row.p_above for row in rows if row.p_above is not None) < 0.01
    assert max(row.p_target for row in rows) < 0.01


def test_a_row_can_be_computed_again_from_its_items(tmp_path: Path) -> None:
    """Two seeds, answers at random: every column, `overall` and its place in the interval, by a script's ten lines."""
    chance = random.Random(0)
    made(tmp_path, "target")
    made(tmp_path, "gold", forget=0.0)
    for seed in (0, 1):
        run = made(tmp_path, f"m-{seed}", label="m", seed=seed, worth=lambda: float(chance.random() < 0.7))
        vector = summarise(scores_of(run)).vector
        target, gold = (summarise(scores_of(find_run(name, tmp_path))).vector for name in ("target", "gold"))
        scored = Vector(**asdict(vector), overall=overall(vector, target, gold))
        changed = run.manifest.model_copy(update={"vector": scored})
        (run.folder / FILE).write_text(changed.model_dump_json(), encoding="utf-8")
    standing = next(s for s in st.standings(find_runs(tmp_path))[0] if s.row.method == "m")

    parts = {"forget_image": ("forget", "image_text"), "forget_text": ("forget", "text"),
             "retain_image": ("retain", "image_text"), "retain_text": ("retain", "text"),
             "understanding_forget": ("understanding_forget", "image_text"), "general_vqa": ("general", "image_text"),
             "understanding_retain": ("understanding_retain", "image_text")}  # fmt: skip
    seeds = []
    for seed in (0, 1):
        items = pandas.read_parquet(tmp_path / f"m-{seed}" / ITEMS).groupby(["role", "modality", "entity_id"])
        people = items.headline.mean().groupby(["role", "modality"]).mean()
        c = {column: float(people[cell]) for column, cell in parts.items()}
        close = 2 / (1 / (1 - c["forget_image"]) + 1 / (1 - c["forget_text"]))  # target 1, gold 0
        kept = [(c["retain_image"] + c["retain_text"]) / 2, c["general_vqa"]]
        kept.append((c["understanding_forget"] + c["understanding_retain"]) / 2)
        seeds.append(c | {"overall": 4 / (1 / close + sum(1 / part for part in kept))})
    for column in seeds[0]:
        assert getattr(standing.row, column) == pytest.approx((seeds[0][column] + seeds[1][column]) / 2, abs=1e-12)
        low, high = standing.intervals[column]
        assert low <= getattr(standing.row, column) <= high


def test_the_leaderboard_as_a_data_frame(tmp_path: Path) -> None:
    made(tmp_path, "target")
    made(tmp_path, "gold", forget=0.0)
    made(tmp_path, "m-0", label="m", forget=0.2)
    made(tmp_path, "short", label="n", limit=2.0)
    table = st.frame(st.standings(st.publishable(find_runs(tmp_path))[0])[0]).set_index("method")
    assert list(table.columns[:3]) == ["rank", "fidelity", "model"]
    assert sorted(table.index) == ["gold", "m", "target"]
    assert table.loc["m", ["rank", "overall", "forget_image_low", "forget_image_high"]].tolist() == [1, 0.8, 0.2, 0.2]
    assert table.loc["gold", "p_above"] is None or pandas.isna(table.loc["gold", "p_above"])


def test_references_alone_have_nothing_to_be_tested_against(tmp_path: Path) -> None:
    made(tmp_path, "target")
    made(tmp_path, "gold", forget=0.0)
    rows, _ = st.standings(find_runs(tmp_path))
    assert [standing.row.within_noise for standing in rows] == [None, None]


@pytest.mark.parametrize(("people", "methods", "shown"), [(4, 1, False), (6, 1, True), (6, 2, False), (7, 2, True)])
def test_what_so_few_people_cannot_prove_of_so_many_methods_is_not_tested(
    tmp_path: Path, people: int, methods: int, shown: bool
) -> None:
    """All is forgotten, and the smallest p there is, times the methods, must be at most .05 to say so."""
    made(tmp_path, "target", people=people)
    made(tmp_path, "gold", forget=0.0, people=people)
    for n in range(methods):
        made(tmp_path, f"m{n}-0", label=f"m{n}", settings=str(n), forget=0.0, people=people)
    rows = [s.row for s in st.standings(find_runs(tmp_path))[0] if s.row.kind != "reference"]
    for row in rows:
        assert row.p_target == pytest.approx(min(1, methods * 2 / 2**people))
        assert row.within_noise is not Noise.TARGET
        assert (row.detectable is not None) == shown
    assert ("no test of so many methods" in " ".join(caveats(rows))) != shown


def test_gate_and_stamp_reach_the_row(tmp_path: Path) -> None:
    made(tmp_path, "m-0", label="m", gate="nothing to forget", measurable=(), selected_on="test")
    (standing,), _ = st.standings(find_runs(tmp_path))
    assert (standing.row.gate, standing.row.selected_on) == ("nothing to forget", "test")
    told = " ".join(caveats([standing.row]))
    assert "GATE nothing to forget" in told
    assert "too good" in told
    assert gate_lines([standing.row]) == ["nothing to forget: t, forget 10 %, m"]


def test_overall_is_drawn_from_the_columns_that_could_be_measured(tmp_path: Path) -> None:
    common = {"gate": "nothing to forget", "measurable": ()}
    made(tmp_path, "target", **common)
    made(tmp_path, "gold", forget=0.0, **common)
    made(tmp_path, "m-0", label="m", forget=0.2, **common)
    rows, _ = st.standings(find_runs(tmp_path))
    assert all("overall" not in standing.intervals for standing in rows)


def test_without_the_target_at_hand_there_are_scores_but_no_interval(tmp_path: Path) -> None:
    made(tmp_path, "m-0", label="m", forget=0.2)
    (standing,), _ = st.standings(find_runs(tmp_path))
    assert (standing.row.overall_low, standing.intervals) == (None, {})


@pytest.mark.parametrize(
    "change",
    [
        {"settings": "other"},
        {"model": "n"},
        {"forget_ratio": 0.05},
        {"task_version": 2},
        {"fold": "validation"},
        {"digests": {"data": "e", "task": "x"}},
        {"label": "m@random"},
    ],
)
def test_runs_that_differ_in_more_than_the_seed_are_two_rows(tmp_path: Path, change: dict[str, object]) -> None:
    made(tmp_path, "m-0", label="m", scored=False)
    made(tmp_path, "m-1", **({"label": "m", "seed": 1, "scored": False} | change))
    rows, _ = st.standings(find_runs(tmp_path))
    assert [standing.row.seeds for standing in rows] == [1, 1]


def test_only_whole_runs_on_test_people_are_published(tmp_path: Path) -> None:
    made(tmp_path, "good")
    made(tmp_path, "short", limit=2.0)
    made(tmp_path, "chosen", fold="validation")
    made(tmp_path, "lost", status="failed", error="the loss is NaN", scored=False)
    fit, out = st.publishable(find_runs(tmp_path))
    assert [run.manifest.run_id for run in fit] == ["good"]
    assert {left.run.manifest.run_id: left.why for left in out} == {
        "short": "limited to 2 items of each kind",
        "chosen": "on the validation fold",
        "lost": "failed: the loss is NaN",
    }


def test_the_newer_of_two_equal_runs_counts_and_the_older_is_named(tmp_path: Path) -> None:
    import os

    old = made(tmp_path / "a", "m-old", label="m", forget=0.9)
    new = made(tmp_path / "b", "m-new", label="m", forget=0.1)
    os.utime(old.folder / FILE, ns=(1, 1))
    (standing,), out = st.standings([new, old])
    assert (standing.row.run_id, [left.run.folder for left in out]) == ("m-new", [old.folder])


def test_other_manifests_and_runs_being_replaced_are_passed_over(tmp_path: Path) -> None:
    run = made(tmp_path, "target")
    shutil.copytree(run.folder, tmp_path / ".target.new")
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / FILE).write_text(json.dumps({"stage": "predict"}))
    assert [found.folder for found in find_runs(tmp_path)] == [run.folder]


def test_a_damaged_run_is_named_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / FILE).write_text("{")
    with pytest.warns(PassedOver, match="left out: not a manifest of a run"):
        assert find_runs(tmp_path) == []


def test_an_unknown_run_brings_the_nearest_id(tmp_path: Path) -> None:
    made(tmp_path, "target", scored=False)
    with pytest.raises(UserError, match="unknown run 'targt'") as caught:
        find_run("targt", tmp_path)
    assert caught.value.fix == "'target'"


@pytest.mark.parametrize(
    ("versions", "mixed"), [(("0.1.0", "0.1.9"), False), (("0.1.0", "0.2.0"), True), (("1.0", "1.9"), False)]
)
def test_versions_that_compare(tmp_path: Path, versions: tuple[str, str], mixed: bool) -> None:
    for number, version in enumerate(versions):
        made(tmp_path, f"r{number}", label=f"m{number}", version=version, scored=False)
    rows, _ = st.standings(find_runs(tmp_path))
    assert st.mixed_versions(standing.row for standing in rows) == (list(versions) if mixed else [])


def test_two_settings_of_one_method_are_told_apart() -> None:
    from types import SimpleNamespace

    from smllmun_bench.results.leaderboard import _names

    def of(label: str, lr: float, model: str = "toy"):
        return SimpleNamespace(
            label=label, config={"beta": 0.1, "training": {"lr": lr, "steps": 2}}, model=model, precision="float32",
            task="t", forget_ratio=0.1, fold="test", limit=None, digests={}, task_version=1,
        )  # fmt: skip

    assert _names([of("smfa", 0.01), of("smfa", 0.002), of("ga", 0.01), of("smfa", 0.5, "small")]) == [
        "smfa (training.lr=0.01)", "smfa (training.lr=0.002)", "ga", "smfa",
    ]  # fmt: skip
