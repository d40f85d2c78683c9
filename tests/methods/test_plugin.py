"""A package that brings a method is installed and run: the door that outsiders use stays open."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PLUGIN = Path(__file__).parents[1] / "plugin"
SCRIPT = """
import sys
from PIL import Image
from smllmun_bench import methods
from smllmun_bench.config import apply_overrides
from smllmun_bench.methods.base import UnlearningData
from smllmun_bench.models.loading import load
from smllmun_bench.schema import Item, Kind, Modality, Role
from smllmun_bench.training.loop import Silent

assert "always-ascend" in methods.names()
assert "always_ascend" not in sys.modules, "listing imports nothing"
method = methods.get("always-ascend")
items = [Item(f"i{n}", "b", "e", Role.FORGET, Modality.TEXT, Kind.OPEN, f"Who is {n}?", "a baker") for n in range(4)]
config = apply_overrides(method.config(), ["training.steps=2", "training.batch_size=2"])
artifact = method.fit(load(sys.argv[1], None), UnlearningData(items, [], ()), config, Silent())
print(artifact.kind, artifact.cost.forwards)
"""


def test_an_installed_package_brings_its_method(tiny_folder: Path, tmp_path: Path) -> None:
    source = shutil.copytree(PLUGIN, tmp_path / "source")  # a build may write beside what it builds
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    built = subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--target", str(site), str(source)], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tiny_folder)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(site)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["lora", "4"]
