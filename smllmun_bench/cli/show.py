"""`smllmun-bench show`: one run, down to its answers."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smllmun_bench.errors import PassedOver, UserError
from smllmun_bench.schema import Role

if TYPE_CHECKING:
    from smllmun_bench.report.table import FittedTable
    from smllmun_bench.results.run_folder import RunFolder

RESULTS = Path("results")


def show(
    run: Annotated[str, typer.Argument(help="A run folder, or a run id below --results.")],
    results: Annotated[Path, typer.Option(help="Where run ids are looked up.")] = RESULTS,
    examples: Annotated[int, typer.Option(min=0, help="Answers to show of each role.")] = 3,
    role: Annotated[Role | None, typer.Option(help="This role only.")] = None,
) -> None:
    """Show the scores of one run, what judges said of it, and examples of its answers, before and after."""
    from smllmun_bench.cli._judged import judged_parts
    from smllmun_bench.report.console import make_console
    from smllmun_bench.results.run_folder import ITEMS, find_run
    from smllmun_bench.results.scored_items import read_scored_items

    found = find_run(run, results)
    console = make_console()
    manifest = found.manifest
    console.print(
        f"{manifest.run_id}: {manifest.label} on {manifest.model}, {manifest.task}, forget {manifest.forget_ratio:.0%}"
    )
    if manifest.status == "failed":
        console.print(f"failed: {manifest.error}", soft_wrap=True)
        return
    console.print(_facts(found))
    for table in _gate_and_gold(found) if role is None else ():
        console.print(table)
    rows = [row for row in read_scored_items(found.folder / ITEMS) if role is None or row["role"] == role.value]
    console.print(_scores(rows))
    for part in judged_parts(found) if role is None else ():
        console.print(part)
    before = _before(found)
    for table in _examples(rows, before, examples):
        console.print(table)


def _facts(run: "RunFolder") -> "FittedTable":
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.results.leaderboard import flat
    from smllmun_bench.scoring.columns import SCALARS

    manifest = run.manifest
    facts: list[tuple[str, object]] = [
        *((column.label, _rounded(getattr(manifest.vector, column.name))) for column in SCALARS),
        ("seed", manifest.seed),
        ("recipe", manifest.recipe_source),
        ("fit seconds", round(manifest.cost.fit_seconds, 1)),
        ("peak memory MB", round(manifest.cost.peak_memory_mb)),
        ("trained parameters", manifest.cost.trainable_params),
        *((name, round(value, 4)) for name, value in manifest.figures.items()),
        *((f"set {key}", value) for key, value in flat(manifest.config).items()),
    ]
    return lines_table("", ("", "value"), facts)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _gate_and_gold(run: "RunFolder") -> "list[FittedTable]":
    """What the target had to forget, and how far this model is from gold on the same items (scores.json)."""
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.results.manifest import read_scores_json

    scores = read_scores_json(run.folder)
    tables = []
    if gate := scores.gate:
        columns = ("column", "against", "target", "other", "difference", "from", "to", "")
        lines = [
            (
                *(check.column, check.against, f"{check.target:.3f}", f"{check.other:.3f}"),
                *(f"{number:+.3f}" for number in check.difference[:3]),
                "" if check.holds else "NO",
            )
            for check in gate.checks
        ]
        tables.append(lines_table(f"gate: {gate.verdict}", columns, lines))
    if gold := scores.gold:
        headers = ("column", "n", "distance", "target's", "closeness", "truth n", "KS D", "KS p", "JS")
        names = ("column", "n", "distance", "target_distance", "closeness", "truth_n", "ks_d", "ks_p", "js")
        cells = [[_short(getattr(column, name)) for name in names] for column in gold]
        tables.append(lines_table("distance to gold, item by item", headers, cells))
    return tables


def _short(value: object) -> object:
    return f"{value:.3g}" if isinstance(value, float) else value


def _scores(rows: Sequence[dict[str, Any]]) -> "FittedTable":
    from smllmun_bench.cli._tables import lines_table
    from smllmun_bench.metrics.statistics import macro

    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["role"], row["modality"], row["kind"]), []).append(row)
    states = ("correct", "wrong", "refusal", "broken")
    lines = []
    for (role, modality, kind), group in groups.items():
        people = [row["entity_id"] or row["item_id"] for row in group]
        rouge = [row["values"]["rouge_l_f1"] for row in group if "rouge_l_f1" in row["values"]]
        lines.append(
            [
                *(role, modality, kind, len(group)),
                f"{macro([row['headline'] for row in group], people):.3f}",
                f"{sum(rouge) / len(rouge):.3f}" if rouge else None,
                *(sum(row["state"] == state for row in group) for state in states),
                sum(row["values"].get("unparsed", 0) == 1 for row in group),
            ]
        )
    return lines_table("", ("role", "modality", "kind", "n", "score", "ROUGE-L", *states, "unparsed"), lines)


def _before(run: "RunFolder") -> dict[str, str]:
    """Item id -> the target's answer, where the target's run lies beside this one."""
    from smllmun_bench.results.run_folder import ITEMS
    from smllmun_bench.results.scored_items import read_scored_items

    path = run.folder.parent / (run.manifest.target_run or run.manifest.run_id) / ITEMS
    try:
        return {row["item_id"]: row["text"] for row in read_scored_items(path)} if path.is_file() else {}
    except (OSError, UserError) as error:
        warnings.warn(PassedOver(f"the target's answers are left out: {error}"), stacklevel=2)
        return {}


def _examples(rows: Sequence[dict[str, Any]], before: dict[str, str], count: int) -> "list[FittedTable]":
    from smllmun_bench.cli._tables import lines_table

    tables = []
    for role in dict.fromkeys(row["role"] for row in rows):
        generated = [row for row in rows if row["role"] == role and row["finish_reason"] != "none"]
        step = max(1, len(generated) // max(1, count))
        lines = [
            (row["item_id"], row["question"], row["answer"], before.get(row["item_id"]), row["text"], row["state"])
            for row in generated[::step][:count]
        ]
        if lines:
            columns = ("item", "question", "right answer", "before", "after", "state")
            tables.append(lines_table(role, columns, lines, keep=("right answer", "after", "state")))
    return tables
