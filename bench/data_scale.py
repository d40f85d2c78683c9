"""Do a million items stream through `validate` and through scoring in less than a gigabyte?

    python bench/data_scale.py --items 1000000 --json

Writes a table of invented people (JSON lines, text alone) to a temporary folder, checks it as `data validate` does, and
scores an answer to each question, chunk by chunk. `ours` is the peak resident memory in MiB of a process that does
both; `other` is the limit, 1024; `ratio` is ours / other. `equal` says that every item was counted in both passes and
that the mean score is the one that was built in.
"""

import argparse
import json
import math
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from smllmun_bench.data.checking import check, entries
from smllmun_bench.data.registry import open_source
from smllmun_bench.schema import Kind, Prediction
from smllmun_bench.scoring.items import score_items
from smllmun_bench.tasks import MetricPlan

LIMIT_MIB = 1024
PER_PERSON = 20
CHUNK = 10_000
MAPPING = {"forget": "forget.jsonl", "retain": "retain.jsonl", "entity": "id", "question": "q", "answer": "a"}
PLAN = {Kind.OPEN: MetricPlan(headline="key_fact", also=("rouge_l_f1",))}


def write(folder: Path, count: int) -> None:
    """A tenth of the people are forgotten; the answers are the numbers of the questions in words of their own."""
    people = math.ceil(count / PER_PERSON)
    with (folder / "forget.jsonl").open("w") as forget, (folder / "retain.jsonl").open("w") as retain:
        for number in range(count):
            person = number // PER_PERSON
            row = {"id": f"p{person}", "q": f"What is fact {number} of Ann Number{person}?", "a": f"value{number}"}
            (forget if person < people / 10 else retain).write(json.dumps(row) + "\n")


def score(folder: Path) -> tuple[int, float]:
    """Every other answer is right. Gives how many were scored and their mean."""
    source = open_source("mapped", MAPPING | {"path": folder})
    items = (entry.item for entry in entries(source))
    n, right = 0, 0.0
    while chunk := list(islice(items, CHUNK)):
        said = [
            Prediction(item.item_id, "bench", f"It is {item.answer}." if (n + place) % 2 else "I do not know.")
            for place, item in enumerate(chunk)
        ]
        right += math.fsum(one.headline for one in score_items(chunk, said, PLAN))
        n += len(chunk)
    return n, right / n


def run(count: int) -> Iterator[dict[str, object]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, count)
        start = time.perf_counter()
        report = check(open_source("mapped", MAPPING | {"path": folder}), images=False)
        checked = time.perf_counter() - start
        n, mean = score(folder)
        scored = time.perf_counter() - start - checked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    yield {
        "name": f"validate and score {count:,} items",
        "ratio": round(peak / LIMIT_MIB, 3),
        "ours": round(peak, 1),
        "other": LIMIT_MIB,
        "unit": "MiB peak",
        "equal": report.items == n == count and report.ok() and abs(mean - (count // 2) / count) < 1e-9,
        "validate_s": round(checked, 1),
        "score_s": round(scored, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args()
    for line in run(arguments.items):
        print(json.dumps(line) if arguments.json else "\n".join(f"{key:12} {value}" for key, value in line.items()))


if __name__ == "__main__":
    main()
