"""The registry of columns: what is written there once turns up everywhere."""

import json
import subprocess
import sys
from pathlib import Path

from smllmun_bench.scoring import columns

SCRIPT = Path(__file__).parents[1] / "helpers" / "one_more_column.py"


def test_a_column_that_is_added_in_one_place_is_seen_in_all(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert len(seen) == 12
    assert [place for place, there in seen.items() if not there] == []


def test_names_are_one_column_each_and_what_reads_items_says_so() -> None:
    names = [column.name for column in columns.COLUMNS]
    assert len(set(names)) == len(names)
    assert {column.name for column in columns.SCALARS} == {"overall", "overall_memory", "overall_understanding"}
    assert columns.parts()[columns.FORGET] == columns.MEMORY == ("forget_image", "forget_text")
