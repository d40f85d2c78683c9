"""What pages say about the code is true of it: rooms, module paths, and the walk of one question."""

import importlib
import re
import sys
import tomllib
from pathlib import Path
from types import FrameType

import pytest
from typer.testing import CliRunner

import smllmun_bench
from smllmun_bench.cli.main import app

PACKAGE = Path(smllmun_bench.__file__).parent
ROOT = PACKAGE.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
GROUPS = ("smllmun_bench.adapters", "smllmun_bench.mechanisms", "smllmun_bench.methods", "smllmun_bench.tasks")
"""Of entry points; they look like modules."""
PLACES = ("smllmun_bench", "tests", "bench", *(path.name for path in PACKAGE.iterdir() if path.is_dir()))


def named_paths(text: str) -> list[str]:
    """`room/file.py`, `smllmun_bench/room/file.py`, `tests/...py`: what lies in a place of ours."""
    return [path for path in re.findall(r"`([\w./-]+/[\w-]+\.py)`", text) if path.split("/")[0] in PLACES]


def named_objects(text: str) -> list[str]:
    """`smllmun_bench.room.module.name`, in prose and in code."""
    found = re.findall(r"(?<![\w/.\"])smllmun_bench(?:\.\w+)+", text)
    imports = re.findall(r"from (smllmun_bench(?:\.\w+)+) import ([\w, ]+)", text)
    found += [f"{module}.{name.strip()}" for module, names in imports for name in names.split(",")]
    return [name for name in found if name not in GROUPS]


def walked(text: str) -> list[str]:
    """What the steps of the walk name, without the package's name."""
    steps = text.split("## The walk of one question")[1].split("\n## ")[0]
    return [f"smllmun_bench.{name}" for name in re.findall(r"`([a-z_]+(?:\.\w+)+)`", steps)]


def exists(dotted: str) -> bool:
    try:
        resolve(dotted)
    except (AttributeError, ImportError):
        return False
    return True


def resolve(dotted: str) -> object:
    """The module or what is in one. Raises AttributeError or ImportError where there is no such thing."""
    parts = dotted.split(".")
    found: object = importlib.import_module(parts[0])
    for number, part in enumerate(parts[1:], 2):
        if not hasattr(found, part):
            importlib.import_module(".".join(parts[:number]))
        found = getattr(found, part)
    return found


def test_modules_that_a_page_names_exist() -> None:
    absent: list[tuple[str, str]] = []
    for page in PAGES:
        text, name = page.read_text(encoding="utf-8"), str(page.relative_to(ROOT))
        absent += [
            (name, path) for path in named_paths(text) if not any((at / path).is_file() for at in (ROOT, PACKAGE))
        ]
        absent += [(name, dotted) for dotted in named_objects(text) if not exists(dotted)]
    assert absent == []


def test_the_walk_of_one_question_names_functions_that_exist() -> None:
    names = walked(ARCHITECTURE)
    assert len(names) > 20
    for name in names:
        resolve(name)


def test_a_run_goes_through_every_step_of_the_walk(tiny_folder: Path, tmp_path: Path) -> None:
    """Each function that the page names is called by a run, or by `score` of the predictions that it left."""
    model, called = str(tiny_folder), set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called.add(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}")

    asked = ["--task", "smllmun-nano", "--limit", "1"]
    quick = ["--set", "training.steps=1", "--set", "training.batch_size=2"]
    options = [*asked, *quick, "--target", model, "--gold", model, "--store", str(tmp_path / "store")]
    sys.setprofile(note)
    try:
        out = str(tmp_path / "out")
        ran = CliRunner().invoke(app, ["run", "--method", "ga", "--model", model, *options, "--output", out])
        file = next((tmp_path / "out").glob("ga-*/predictions.parquet"))
        scored = CliRunner().invoke(app, ["score", str(file), *asked])
    finally:
        sys.setprofile(None)
    assert (ran.exit_code, scored.exit_code) == (0, 0)
    steps = set(walked(ARCHITECTURE)) - {"smllmun_bench.report.leaderboard.to_csv"}  # limited runs are not published
    assert steps - called == set()


def test_what_does_not_exist_is_found() -> None:
    assert named_paths("see `pipeline/run.py` and `stages/gone.py`") == ["stages/gone.py"]
    assert walked("## The walk of one question\n1. `stages.gone.away` and `Item`\n") == [
        "smllmun_bench.stages.gone.away"
    ]
    for name in ("smllmun_bench.stages.gone.away", "smllmun_bench.stages.predicting.gone"):
        with pytest.raises((AttributeError, ImportError)):
            resolve(name)


def test_the_table_of_rooms_has_each_room_in_the_order_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = [re.split(r" [|:] ", layer) for layer in contracts["contracts"][0]["layers"]]
    rows = re.findall(
        r"^\| (`.*?) (?:\\\| )?\|", ARCHITECTURE.split("## Rooms")[1].split("## The walk")[0], re.MULTILINE
    )
    rooms = [re.findall(r"`(\w+)(?:/|\.py)`", row) for row in rows]
    listed = [room for row in rooms for room in row]
    place = {room: number for number, layer in enumerate(layers) for room in layer}
    assert sorted(listed) == sorted(place)
    assert [place[room] for room in listed] == sorted(place[room] for room in listed)


def test_every_room_says_first_what_it_is_for() -> None:
    for folder in sorted(PACKAGE.iterdir()):
        if (folder / "__init__.py").is_file():
            first = (folder / "__init__.py").read_text(encoding="utf-8").splitlines()[0]
            assert re.fullmatch(r'"""[A-Z(].{20,}', first), folder.name
