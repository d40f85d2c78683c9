"""Attacks from the command line on a nano run: the same for target, gold and the method, and what exceeds gold."""

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from smllmun_bench.cli.main import app

NANO = ("--model", "nano", "--task", "smllmun-nano", "--set", "training.steps=2", "-L", "30")

NUMBERS = r"(\S+)\s+(\S+)\s+(\S+)\s+(\S+) \[(\S+), (\S+)\]"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "160"})


@pytest.fixture(scope="module")
def run(nano_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store and the folder of a run of `ga` in it."""
    store = Path(shutil.copytree(nano_store, tmp_path_factory.mktemp("attack") / "store"))
    output = store.parent / "runs"
    result = invoke("run", "-m", "ga", *NANO, "--store", store, "--output", output)
    assert result.exit_code == 0, result.output
    return store, next(output.glob("ga-nano-*"))


def test_every_point_has_target_gold_method_and_an_excess_with_its_interval(run: tuple[Path, Path]) -> None:
    store, folder = run
    result = invoke("attack", folder, "--attack", "prefilled,choice,quantise", "-L", "30", "--store", store)
    assert result.exit_code == 0, result.output
    for start in ("prefilled", "choice", r"quantise\s+8 bit", r"quantise\s+4 bit"):
        row = re.search(
            rf"^\s*{start}\s+ga\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+) \[(\S+), (\S+)\]", result.stdout, re.MULTILINE
        )
        assert row is not None, start
        target, gold, known, excess, low, high = map(float, row.groups())
        assert all(0 <= value <= 1 for value in (target, gold, known))
        assert excess == pytest.approx(known - gold, abs=0.0011)
        assert low <= excess <= high


def test_an_unknown_attack_and_a_reference_are_one_message_each(run: tuple[Path, Path]) -> None:
    store, folder = run
    unknown = invoke("attack", folder, "--attack", "quantize", "--store", store)
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "unknown attack 'quantize'" in unknown.stderr
    assert "'quantise'" in unknown.stderr
    gold = invoke("attack", next(folder.parent.glob("gold-*")), "--store", store)
    assert gold.exit_code == 2
    assert "name the run of a method" in gold.stderr


def test_weight_attacks_run_and_what_cannot_come_off_is_not_applicable(run: tuple[Path, Path]) -> None:
    store, folder = run
    result = invoke("attack", folder, "--attack", "removal,prune,relearn", "-L", "30", "--store", store)
    assert result.exit_code == 0, result.output
    for start in ("prune +10%", "relearn +0 steps", "relearn +20 steps", "relearn +area"):
        assert re.search(rf"^\s*{start} +ga +{NUMBERS}", result.stdout, re.MULTILINE), start
    target, known = re.findall(r"removal +ga +(\S+) +\S+ +(\S+) ", result.stdout)[0]
    assert known == target, "an adapter taken off leaves the target"


def test_probes_hold_the_model_against_target_and_gold(run: tuple[Path, Path]) -> None:
    store, folder = run
    wanted = "depth,guidance,detectability,logit-lens,linear-probe"
    result = invoke("attack", folder, "--attack", wanted, "-L", "30", "--store", store)
    assert result.exit_code == 0, result.output
    found = dict(re.findall(r"^ *(depth|detectability) +ga +(\S+ +\S+) ", result.stdout, re.MULTILINE))
    assert found["depth"].split() == ["1.000", "0.000"], "the target has no depth, gold all of it"
    assert found["detectability"].split()[1] == "0.500", "gold is not told from gold"
    for start in ("depth", "detectability", "guidance +w = 2", "logit-lens +layer 1 of 2, random labels"):
        assert re.search(rf"^ *{start} +ga +{NUMBERS}", result.stdout, re.MULTILINE), start
    assert re.search(rf"^ *linear-probe +layer . of . +ga +{NUMBERS}", result.stdout, re.MULTILINE)


def test_prompts_pictures_samples_and_likelihoods_run_with_their_settings(run: tuple[Path, Path]) -> None:
    store, folder = run
    names = "alias,typographic,group-photo,leak-at-k,exact-memorisation"
    settings = ("--set", "leak-at-k.samples=3", "--set", "leak-at-k.k=[1,3]")
    result = invoke("attack", folder, "--attack", names, *settings, "-L", "30", "--store", store)
    assert result.exit_code == 0, result.output
    for start in ("alias", "group-photo", "leak-at-k +T 1, top-p 1, k 3", "exact-memorisation"):
        assert re.search(rf"^\s*{start} +ga +{NUMBERS}", result.stdout, re.MULTILINE), start
    assert re.search(r"typographic +ga +– +– +– +n/a", result.stdout)
    assert "n/a typographic: ga: reading" in result.stdout
    once, often = (float(re.findall(rf"k {k} +ga +\S+ +\S+ +(\S+) ", result.stdout)[0]) for k in (1, 3))
    assert once <= often


def test_a_setting_of_no_attack_is_one_message(run: tuple[Path, Path]) -> None:
    store, folder = run
    wrong = invoke("attack", folder, "--attack", "leak-at-k", "--set", "leak-at.k=3", "--store", store)
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "unknown attack 'leak-at'" in wrong.stderr
    none = invoke("attack", folder, "--attack", "leak-at-k", "--set", "leak-at-k.sample=3", "--store", store)
    assert none.exit_code == 2
    assert "'samples'" in none.stderr
