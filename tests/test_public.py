"""The public surface: each name can be imported, costs nothing before that, and pages and plug-ins use no other way."""

import ast
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import smllmun_bench
from smllmun_bench import Item, Kind, Modality, Prediction, Role, UserError, methods
from smllmun_bench.results.scored_items import write_scored_items

ROOT = Path(__file__).parents[1]
READERS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "tests" / "plugin").rglob("*.py")),
]


def test_each_public_name_can_be_imported() -> None:
    for name in smllmun_bench.__all__:
        assert getattr(importlib.import_module("smllmun_bench"), name) is not None, name
        assert name in dir(smllmun_bench)


def test_the_list_is_sorted_and_type_checkers_see_the_same() -> None:
    names = smllmun_bench.__all__
    assert names == sorted(names, key=lambda name: (name != "__version__", name))
    stub = ast.parse((ROOT / "smllmun_bench" / "__init__.pyi").read_text(encoding="utf-8"))
    seen = {(node.module, alias.name) for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == {(f"smllmun_bench.{home}", name) for name, home in smllmun_bench._HOME.items()}


def test_what_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = smllmun_bench.nothing  # type: ignore[attr-defined]


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "pandas", "datasets", "numpy", "pydantic")
    code = f"import sys, smllmun_bench; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_pages_and_plugins_import_public_names_from_the_package() -> None:
    """`from smllmun_bench.schema import Item` in a page teaches a path that may move, where `Item` is public."""
    taught = [
        (path.relative_to(ROOT).as_posix(), found[1], name.strip().split(" ")[0])
        for path in READERS
        for found in re.finditer(r"from smllmun_bench([\w.]*) import ([\w, ]+)", path.read_text(encoding="utf-8"))
        for name in found[2].split(",")
    ]
    assert taught
    assert [one for one in taught if one[1] and one[2] in smllmun_bench.__all__] == []
    for _, module, name in taught:
        found = importlib.import_module(f"smllmun_bench{module}")
        assert hasattr(found, name) or importlib.import_module(f"smllmun_bench{module}.{name}")


def test_a_task_is_loaded_asked_scored_and_summarised() -> None:
    """Whoever copies the right answers knows everything: what is to be forgotten as well."""
    questions = smllmun_bench.items("smllmun-nano", limit=4)
    answers = [
        Prediction(
            item.item_id, "copied", item.answer, option_logprobs=tuple(-float(c != item.answer) for c in item.choices)
        )
        for item in questions
    ]
    scores = smllmun_bench.score(answers, "smllmun-nano", limit=4)
    vector = smllmun_bench.summarise(scores).vector
    assert smllmun_bench.load_task("smllmun-nano").name == "smllmun-nano"
    assert len(scores) == len(questions)
    assert vector.forget_text == vector.retain_text == 1.0


def test_two_runs_are_compared_in_a_frame(tmp_path: Path) -> None:
    items = [
        Item(f"i{n}", "b", f"p{n}", Role.FORGET, Modality.TEXT, Kind.OPEN, f"Who is {n}?", "Ann") for n in range(12)
    ]
    for name, right in (("a", 12), ("b", 3)):
        answers = [Prediction(item.item_id, name, "Ann" if n < right else "Eve") for n, item in enumerate(items)]
        scores = [
            smllmun_bench.Score(
                item.item_id, item.entity_id, item.role, item.modality, item.kind,
                "correct" if n < right else "wrong", float(n < right), {"meaningful": 1.0},
            )
            for n, item in enumerate(items)
        ]  # fmt: skip
        (tmp_path / name).mkdir()
        write_scored_items(tmp_path / name / "items.parquet", items, answers, scores)
    frame = smllmun_bench.compare(tmp_path / "a", tmp_path / "b")
    assert frame.set_index("column").loc["forget_text", "difference"] == pytest.approx(-0.75)
    assert len(frame.attrs["flips"]) == 9


def test_a_folder_without_runs_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no finished run"):
        smllmun_bench.leaderboard(tmp_path)


def test_a_notebook_runs_methods_and_reads_the_table(nano_store: Path, tmp_path: Path) -> None:
    """By name and as an object of its own; the folders that come back are those on disk."""
    shutil.copytree(nano_store, tmp_path / "store")
    mine = methods.get("grad-diff")
    found = smllmun_bench.run(
        ["ga", mine],
        "nano",
        "smllmun-nano",
        seeds=[3],
        settings=["training.steps=2", "training.batch_size=4"],
        limit=4,
        output=tmp_path / "runs",
        store=tmp_path / "store",
    )
    assert [run.manifest.label for run in found] == ["base", "target", "gold", "ga", "grad-diff"]
    assert {run.folder for run in found} == {run.folder for run in smllmun_bench.runs(tmp_path / "runs")}
    frame = smllmun_bench.leaderboard(found)
    assert set(frame["method"]) == {"base", "target", "gold", "ga", "grad-diff"}
    assert frame.set_index("method").loc["ga", "forget_text"] == pytest.approx(found[3].manifest.vector.forget_text)
    assert len(smllmun_bench.scores_of(found[3])) > 4
    with pytest.raises(UserError, match="no finished run"):  # of a folder only what may be published: all items
        smllmun_bench.leaderboard(tmp_path / "runs")
