"""Run as a script: the package as it would be with one more `Column` in its registry, and where that column turns up.

The column is written into the source of `scoring/columns.py` before anything else is imported, as an author would do.
Prints one JSON object: place -> whether the column is there.
"""

import io
import json
import sys
import types
from dataclasses import replace
from pathlib import Path

import smllmun_bench
from smllmun_bench.schema import Fidelity, Item, Kind, Modality, Prediction, Role, Score

NAME, HEADING, LABEL = "unseen", "un-\nseen", "people nobody trained on"
COLUMN = f"""Column(
    name={NAME!r}, label={LABEL!r}, heading={HEADING!r}, direction=Direction.UP, items=ColumnItems((Role.TEST,)),
    pool="test", part="test", gate=Gated.ABILITY, frontier="unseen people", table=Shown.SCORES, exported=True,
),
"""


def add() -> None:
    path = Path(smllmun_bench.__file__).with_name("scoring") / "columns.py"
    source, start = path.read_text(encoding="utf-8"), "COLUMNS: tuple[Column, ...] = (\n"
    assert source.count(start) == 1
    module = types.ModuleType("smllmun_bench.scoring.columns")
    sys.modules[module.__name__] = module
    exec(compile(source.replace(start, start + COLUMN), path, "exec"), module.__dict__)


def seen(right: float) -> list[Score]:
    roles = (Role.FORGET, Role.RETAIN, Role.TEST)
    return [
        Score(f"{role}{n}", f"{role}{n}", role, Modality.IMAGE_TEXT, Kind.OPEN, "correct", worth, {"meaningful": 1.0})
        for role, worth in zip(roles, (1 - right, 1.0, right), strict=True)
        for n in range(8)
    ]


def printed(table: object) -> str:
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=400).print(table)
    return stream.getvalue()


def places(folder: Path) -> dict[str, bool]:
    from smllmun_bench.cli.tune import points_table
    from smllmun_bench.experiments.tuning import Point
    from smllmun_bench.export.card import card_text
    from smllmun_bench.report import frontier
    from smllmun_bench.report import leaderboard as board
    from smllmun_bench.results.compare import compare, open_side
    from smllmun_bench.results.manifest import RunManifest, Vector
    from smllmun_bench.results.scored_items import write_scored_items
    from smllmun_bench.scoring.gate import gate
    from smllmun_bench.scoring.intervals import row_intervals
    from smllmun_bench.scoring.summary import overall, summarise
    from smllmun_bench.stages import method_recipes
    from smllmun_bench.store.environment import environment

    model, gold = seen(0.5), seen(1.0)
    vector = summarise(model).vector
    row = board.LeaderboardRow(
        method="m", model="x", task="t", forget_ratio=0.1, seeds=1, version="1", kind="weights",
        **{NAME: 0.5, "forget_image": 0.25},
    )  # fmt: skip
    text = board.to_csv([row])
    older = "\r\n".join(line.rsplit(",", 1)[0] for line in text.splitlines())
    sides = []
    for name, scores in (("a", model), ("b", gold)):
        items = [Item(s.item_id, "b", s.entity_id, s.role, s.modality, s.kind, "q?", "a") for s in scores]
        path = folder / f"{name}.parquet"
        write_scored_items(path, items, [Prediction(s.item_id, name, "a") for s in scores], scores)
        sides.append(open_side(str(path), folder))
    manifest = RunManifest(
        run_id="r", status="done", label="m", kind="weights", fidelity=Fidelity.PAPER, model="x", task="t",
        task_version=1, fold="test", forget_ratio=0.1, seed=0, limit=None, config=None, recipe_source="", keys={},
        digests={"model": "d"}, vector=Vector(**{NAME: 0.5}), version="1", environment=environment(),
    )  # fmt: skip
    point = Point(("lr=1",), method_recipes.choose("ga", "toy"), vector=vector, overall=0.5)
    worse = replace(vector, **{NAME: 0.1})
    whole = summarise(gold).vector
    target = replace(whole, forget_image=1.0)
    return {
        "summary": getattr(vector, NAME) == 0.5,
        "overall": overall(worse, target, whole) < overall(vector, target, whole),
        "CSV": text.splitlines()[0].endswith(f",settings,{NAME}") and board.from_csv(text, source="new")[0] == row,
        "older CSV": getattr(board.from_csv(older, source="old")[0], NAME) is None,
        "screen": HEADING.splitlines()[0] in printed(board.leaderboard_tables([row])[0]),
        "compare": NAME in {column.column for column in compare(*sides).columns},
        "gate": NAME in {check.column for check in gate(gold, model, None).failed()},
        "intervals": NAME in row_intervals([model], model, gold),
        "frontier": "unseen people" in {point.retention for point in frontier.points([row])},
        "manifest": getattr(RunManifest.model_validate_json(manifest.model_dump_json()).vector, NAME) == 0.5,
        "card": f"| {LABEL} | 0.500 | up |" in card_text(manifest, "merged"),
        "tune": NAME in printed(points_table("", [point])),
    }


if __name__ == "__main__":
    add()
    sys.stdout.write(json.dumps(places(Path(sys.argv[1]))))
