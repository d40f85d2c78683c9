"""Answer states against hand-made labels: the confusion matrix of docs/metrics/states.md.

python bench/state_agreement.py [tests/metrics/labelled_states.tsv]
"""

import argparse
import csv
from pathlib import Path

from smllmun_bench.metrics import agreement
from smllmun_bench.metrics.states import State, answer_state
from smllmun_bench.schema import Kind

LABELLED = Path(__file__).parents[1] / "tests/metrics/labelled_states.tsv"


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def given(row: dict[str, str]) -> str:
    return answer_state(
        row["text"].replace("\\n", "\n"),
        kind=Kind(row["kind"]),
        answer=row["answer"],
        choices=tuple(filter(None, row["choices"].split("|"))),
        question=row["question"],
        finish_reason=row["finish_reason"],
    ).state.value


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("labels", nargs="?", type=Path, default=LABELLED)
    rows = read(arguments.parse_args().labels)
    classes = [state.value for state in State]
    for split in ("", *dict.fromkeys(row["split"] for row in rows)):
        part = [row for row in rows if split in ("", row["split"])]
        counts = agreement.confusion([row["state"] for row in part], [given(row) for row in part])
        print(f"{split or 'all'}: {len(part)} strings, macro-F1 {agreement.macro_f1(counts, classes):.3f}")
        if not split:
            print(agreement.markdown(counts, classes))


if __name__ == "__main__":
    main()
