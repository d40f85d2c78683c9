"""Answer states against labels made by hand: the tables of docs/metrics/states.md.

python bench/state_agreement.py [--write]     prints them; --write puts them into the page

Three sets in tests/metrics: labelled_states.tsv (the rules were extended from its misses), labelled_languages.tsv (one
half for fixing, one kept apart) and held_out_states.tsv (labelled before the code was asked, never fitted on).
"""

import argparse
import csv
import re
from collections.abc import Sequence
from pathlib import Path

from smllmun_bench.metrics import agreement
from smllmun_bench.metrics.match import MAX_WORDS
from smllmun_bench.metrics.states import AnswerState, State, answer_state
from smllmun_bench.schema import Kind

ROOT = Path(__file__).parents[1]
LABELS, PAGE = ROOT / "tests/metrics", ROOT / "docs/metrics/states.md"
STATES = [state.value for state in State]

Row = dict[str, str]


def read(name: str) -> list[Row]:
    with (LABELS / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def given(row: Row, *, max_words: int | None = MAX_WORDS) -> AnswerState:
    return answer_state(
        row["text"].replace("\\n", "\n"),
        kind=Kind(row["kind"]),
        answer=row["answer"],
        choices=tuple(filter(None, row["choices"].split("|"))),
        question=row["question"],
        finish_reason=row["finish_reason"],
        max_words=max_words,
    )


def confusion(rows: Sequence[Row], *, max_words: int | None = MAX_WORDS) -> tuple[dict[tuple[str, str], int], float]:
    """Counts of (label, given), and macro-F1."""
    counts = agreement.confusion(
        [row["state"] for row in rows], [given(row, max_words=max_words).state.value for row in rows]
    )
    return counts, agreement.macro_f1(counts, STATES)


def _matrix(rows: Sequence[Row], *, max_words: int | None = MAX_WORDS) -> str:
    counts, score = confusion(rows, max_words=max_words)
    return f"{len(rows)} strings, macro-F1 {score:.3f}.\n\n{agreement.markdown(counts, STATES)}"


def _by_language(rows: Sequence[Row]) -> str:
    lines = [["language", "strings", "macro-F1", "label", *STATES], ["---"] * (4 + len(STATES))]
    for language in dict.fromkeys(row["language"] for row in rows):
        part = [row for row in rows if row["language"] == language]
        counts, score = confusion(part, max_words=None)
        for want in STATES:
            head = [language, str(len(part)), f"{score:.3f}"] if want == STATES[0] else [""] * 3
            lines.append([*head, want, *(str(counts.get((want, got), 0)) for got in STATES)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables() -> dict[str, str]:
    """Name -> what the page shows between the marks of that name. Languages and held-out answers are about a forgotten
    person, so no word limit hides a fact."""
    held = read("held_out_states")
    return {
        "labelled": _matrix(read("labelled_states")),
        "languages": _by_language([row for row in read("labelled_languages") if row["part"] == "kept"]),
        "held out": _matrix(held, max_words=None),
        "held out, runs": _matrix([row for row in held if row["part"] == "run"], max_words=None),
        "held out, by hand": _matrix([row for row in held if row["part"] == "hard"], max_words=None),
    }


def marked(page: str, name: str, table: str | None = None) -> str:
    """What stands between the marks of `name`; with `table` the page in which that stands there instead."""
    block = re.compile(rf"(<!-- {name} -->\n\n)(.*?)(\n\n<!-- end -->)", re.DOTALL)
    if table is not None:
        return block.sub(lambda found: found[1] + table + found[3], page)
    found = block.search(page)
    return found[2] if found else ""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", action="store_true", help="put the tables into docs/metrics/states.md")
    write = arguments.parse_args().write
    page = PAGE.read_text(encoding="utf-8")
    for name, table in tables().items():
        page = marked(page, name, table)
        print(f"{name}: {table}\n")
    if write:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
