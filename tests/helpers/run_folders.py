"""Run folders for tests of what reads them: no model, a few people, an answer for each cell."""

from collections.abc import Callable
from pathlib import Path

from smllmun_bench.results import leaderboard as st
from smllmun_bench.results.manifest import FILE, RunManifest, Vector
from smllmun_bench.results.run_folder import ITEMS, RunFolder
from smllmun_bench.results.scored_items import write_scored_items
from smllmun_bench.schema import Item, Kind, Modality, Prediction, Role, Score
from smllmun_bench.store.environment import environment

_CELLS = (
    (Role.FORGET, Modality.IMAGE_TEXT),
    (Role.FORGET, Modality.TEXT),
    (Role.RETAIN, Modality.IMAGE_TEXT),
    (Role.RETAIN, Modality.TEXT),
    (Role.UNDERSTANDING_FORGET, Modality.IMAGE_TEXT),
    (Role.UNDERSTANDING_RETAIN, Modality.IMAGE_TEXT),
    (Role.GENERAL, Modality.IMAGE_TEXT),
)


def made(
    root: Path,
    run_id: str,
    *,
    forget: float = 1.0,
    scored: bool = True,
    people: int = 4,
    worth: Callable[[], float] | None = None,
    **changes: object,
) -> RunFolder:
    """A run whose forget columns are `forget` and whose others are 1: four people in each role. `worth`: of each."""
    reference = run_id in st.REFERENCES
    values = {
        "run_id": run_id, "status": "done", "label": run_id, "kind": "reference" if reference else "weights",
        "fidelity": None if reference else "paper", "model": "m", "task": "t", "task_version": 1, "fold": "test",
        "forget_ratio": 0.1, "seed": None if reference else 0, "limit": None, "config": None, "recipe_source": "",
        "settings": "" if reference else "s" * 32, "keys": {}, "digests": {"data": "d", "task": "x"},
        "target_run": None if reference else "target", "gold_run": None if reference else "gold",
        "vector": Vector(forget_image=forget, forget_text=forget, overall=None if reference else 1 - forget),
        "version": "0.1.0", "environment": environment(),
    }  # fmt: skip
    manifest = RunManifest.model_validate(values | changes)
    folder = root / manifest.run_id
    folder.mkdir(parents=True)
    (folder / FILE).write_text(manifest.model_dump_json(), encoding="utf-8")
    if scored:
        items, answers, scores = [], [], []
        for number, (role, modality) in enumerate(_CELLS):
            for person in range(people):
                name, value = f"{number}.{person}", forget if role is Role.FORGET else 1.0
                items.append(Item(name, "b", f"p{person}", role, modality, Kind.OPEN, "q?", "a"))
                answers.append(Prediction(name, run_id, "a"))
                scores.append(
                    Score(
                        name,
                        f"p{person}",
                        role,
                        modality,
                        Kind.OPEN,
                        "correct",
                        worth() if worth else value,
                        {"meaningful": 1.0},
                    )
                )
        write_scored_items(folder / ITEMS, items, answers, scores)
    return RunFolder(folder, manifest)
