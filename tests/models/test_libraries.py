"""The collector rests while the model libraries come, and only then; each case needs a process of its own."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import gc, json
{before}
from smllmun_bench.models.libraries import import_libraries
import_libraries()
first = gc.get_freeze_count()
import_libraries()
print(json.dumps([first, gc.get_freeze_count(), gc.isenabled()]))
"""


@pytest.mark.parametrize(
    ("before", "frozen", "enabled"),
    [
        ("", True, True),
        ("gc.disable()", True, False),
        ("import torch", False, True),  # somebody's model could be alive: it must not stay for good
    ],
)
def test_what_the_libraries_leave_is_never_walked_again(before: str, frozen: bool, enabled: bool) -> None:
    script = SCRIPT.format(before=before)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    first, second, collecting = json.loads(done.stdout)
    assert (first > 100_000, second, collecting) == (frozen, first, enabled)
