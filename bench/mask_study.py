"""Does SMFA's mask beat plain scaling and random masks at matched forgetting? On the toy, 3 seeds, with intervals.

    python bench/mask_study.py --out docs/studies/mask_ablation.csv

Four families are swept, all from the same two adapters per seed, so that only the mask differs: SMFA over k, the
unmasked update scaled by lambda, random masks of SMFA's density, random masks of SMFA's energy. Each family is a
curve of forgetting against what is kept. At the forgetting of SMFA with its tuned k the other curves are read by
linear interpolation, and differences are taken draw by draw over people (seeds averaged within a person). The sweep
is read on test people; nothing is selected on them.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from smllmun_bench.cli._session import RunOptions, fill_store, open_context
from smllmun_bench.experiments.run import run
from smllmun_bench.report.console import make_console
from smllmun_bench.schema import Score
from smllmun_bench.scoring.intervals import RowRuns, identity_means, table_draws
from smllmun_bench.stages import method_recipes

KS = (0.0, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
LAMBDAS = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
DRAWS = 1000
KEPT = ("retain_image", "retain_text", "understanding_forget", "understanding_retain", "general_vqa")


def settings() -> dict[str, list[tuple[float, tuple[str, ...]]]]:
    """Family -> (strength, settings) of each point."""
    masks = {"smfa": "smfa", "random density": "random", "random energy": "random_energy"}
    points = {name: [(k, (f"mask={mask}", f"k={k}")) for k in KS] for name, mask in masks.items()}
    points["scale"] = [(value, ("mask=scale", f"strength={value}")) for value in LAMBDAS]
    return points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="toy")
    parser.add_argument("--task", default="smllmun-toy")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="processes that unlearn at the same time")
    parser.add_argument("--runs", type=Path, default=Path("results/runs/mask_study"))
    parser.add_argument("--out", type=Path, default=Path("docs/studies/mask_ablation.csv"))
    arguments = parser.parse_args()
    asked = RunOptions(arguments.model, arguments.task, quiet=True)
    session = open_context(asked, make_console(quiet=True))
    chosen = [
        method_recipes.choose("smfa", arguments.model, point) for points in settings().values() for _, point in points
    ]
    found: dict[str, list[tuple[Score, ...]]] = defaultdict(list)
    figures: dict[str, list[dict[str, float]]] = defaultdict(list)
    fill_store(session, asked, [(c, seed) for c in chosen for seed in range(arguments.seeds)], arguments.jobs)
    for finished in run(session.context, chosen, range(arguments.seeds), session.percent, arguments.runs):
        name = finished.manifest.settings or finished.manifest.label
        found[name].append(finished.scores)
        figures[name].append(finished.manifest.figures)
        print(finished.manifest.run_id, flush=True)
    names = [name for name in found if name not in ("base", "target", "gold")]
    labels = [(family, value) for family, points in settings().items() for value, _ in points]
    rows = [RowRuns([identity_means(scores) for scores in found[name]]) for name in names]
    drawn = dict(zip(labels, table_draws(rows, draws=DRAWS), strict=True))
    exact = dict(zip(labels, [_means(found[name]) for name in names], strict=True))
    _write(arguments.out, exact, dict(zip(labels, [figures[name] for name in names], strict=True)))
    own = method_recipes.choose("smfa", arguments.model).config.k
    goal = _forget(exact[min((label for label in labels if label[0] == "smfa"), key=lambda label: abs(label[1] - own))])
    print(f"matched forgetting: mean of forget image and text = {goal:.3f} (SMFA at the k nearest to {own})")
    for column in KEPT:
        ours = _read("smfa", column, goal, exact)
        for family in ("scale", "random density", "random energy"):
            theirs = _read(family, column, goal, exact)
            draws = np.array(
                [
                    _read_draw("smfa", column, goal, drawn, d) - _read_draw(family, column, goal, drawn, d)
                    for d in range(DRAWS)
                ]
            )
            low, high = np.quantile(draws, [0.025, 0.975])
            print(
                f"{column:22} smfa {ours:.3f}  {family:15} {theirs:.3f}"
                f"  difference {ours - theirs:+.3f} [{low:+.3f}, {high:+.3f}]"
            )


def _means(runs: list[tuple[Score, ...]]) -> dict[str, float]:
    from smllmun_bench.scoring.intervals import mean_vector

    vector = mean_vector(runs)
    return {column: getattr(vector, column) for column in ("forget_image", "forget_text", *KEPT)}


def _forget(point: dict[str, float]) -> float:
    return (point["forget_image"] + point["forget_text"]) / 2


def _interpolate(points: list[tuple[float, float]], goal: float) -> float:
    points = sorted(points)
    return float(np.interp(goal, [x for x, _ in points], [y for _, y in points]))


def _read(family: str, column: str, goal: float, exact: dict[tuple[str, float], dict[str, float]]) -> float:
    points = [(_forget(point), point[column]) for (name, _), point in exact.items() if name == family]
    return _interpolate(points, goal)


def _read_draw(
    family: str, column: str, goal: float, drawn: dict[tuple[str, float], dict[str, np.ndarray]], draw: int
) -> float:
    points = [
        (float(point["forget_image"][draw] + point["forget_text"][draw]) / 2, float(point[column][draw]))
        for (name, _), point in drawn.items()
        if name == family
    ]
    return _interpolate(points, goal)


def _write(
    path: Path,
    exact: dict[tuple[str, float], dict[str, float]],
    figures: dict[tuple[str, float], list[dict[str, float]]],
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                "family",
                "strength",
                "forget_image",
                "forget_text",
                *KEPT,
                "masked",
                "energy_removed",
                "conflict_rate",
                "correlation",
            ]
        )
        for label, point in exact.items():
            masked = label[0] != "scale"  # nothing is masked where the whole update shrinks
            diagnosis = [
                round(float(np.mean([f[key] for f in figures[label]])), 4) if masked else ""
                for key in ("masked", "energy_removed", "conflict_rate", "correlation")
            ]
            writer.writerow([*label, *(round(value, 4) for value in point.values()), *diagnosis])


if __name__ == "__main__":
    main()
