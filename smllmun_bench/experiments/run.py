"""A whole run: base, target and gold predict, methods unlearn and predict, all is scored and written down.

The walk of a question, function by function: docs/architecture.md.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from smllmun_bench import __version__, stages
from smllmun_bench.errors import RunFailed
from smllmun_bench.experiments.journal import Journal
from smllmun_bench.methods.base import suppresses
from smllmun_bench.results.manifest import CostRecord, RunManifest, Vector
from smllmun_bench.results.predictions import PREDICTIONS
from smllmun_bench.results.run_folder import ITEMS, LOG, SCORES, RunFolder, replace_folder
from smllmun_bench.results.scored_items import write_scored_items
from smllmun_bench.schema import Score
from smllmun_bench.scoring.gate import Gate, gate
from smllmun_bench.scoring.gold import Answers, to_gold
from smllmun_bench.scoring.items import score_items
from smllmun_bench.scoring.summary import Summary, overall, summarise
from smllmun_bench.scoring.vectors import ScoreVector
from smllmun_bench.stages import Predicted, Questions, RunContext
from smllmun_bench.stages.loader import ModelRef
from smllmun_bench.stages.method_recipes import Chosen
from smllmun_bench.stages.unlearning import HISTORY
from smllmun_bench.store.atomic import atomic_write
from smllmun_bench.store.environment import environment, source_digest
from smllmun_bench.store.hashing import digest
from smllmun_bench.store.store import StoredStage


@dataclass(frozen=True, slots=True)
class Finished:
    """One run, as it lies on disk, with what tables need of it."""

    folder: Path
    manifest: RunManifest
    scores: tuple[Score, ...]
    gate: Gate

    def as_run(self) -> RunFolder:
        """The run for tables, which need not read again what was just written."""
        return RunFolder(self.folder, self.manifest, self.scores)


@dataclass(frozen=True, slots=True)
class _Row:
    """What one model was asked, what it predicted, and what that is worth."""

    predicted: Predicted
    answers: Answers
    summary: Summary
    log: str  # what happened since the row before

    @property
    def vector(self) -> ScoreVector:
        return self.summary.vector


@dataclass(frozen=True, slots=True)
class _Against:
    """What every row is held against."""

    target: _Row
    gold: _Row | None
    gate: Gate


@dataclass(frozen=True, slots=True)
class _Run:
    """What all rows of one run share. `blank` is a manifest with all that is equal in them."""

    context: RunContext
    asked: Questions
    percent: int
    output: Path
    blank: RunManifest
    journal: Journal

    def row(self, model: ModelRef, artifact: StoredStage | None, name: str) -> _Row:
        """Ask a model everything and score it."""
        task = self.context.task
        predicted = stages.predict(self.context, self.asked, model, artifact, name)
        scores = score_items(self.asked.items, predicted.predictions, task.metrics, directions=task.direction)
        return _Row(predicted, Answers(scores, predicted.predictions), summarise(scores), self.journal.take())

    def run_id(self, label: str, seed: int | None, stored: StoredStage) -> str:
        task = self.context.task.name.replace("/", ".")  # a run is one folder, not one below another
        seeded = f"s{seed}" if seed is not None else "ref"
        return "-".join([label, self.context.card.name, task, f"f{self.percent}", seeded, stored.key[:8]])


@dataclass(frozen=True, slots=True)
class _Method:
    """One method at one seed; `record` is all that its manifest says whether training fails or not."""

    choice: Chosen
    seed: int
    record: Mapping[str, Any]


def run(
    context: RunContext,
    chosen: Sequence[Chosen],
    seeds: Sequence[int],
    forget_percent: int,
    output: Path,
) -> Iterator[Finished]:
    """Every reference, then every method at every seed, each yielded when its folder is complete.

    A method whose training fails (RunFailed) is written down as failed and does not stop the others. Raises UserError
    before any model is loaded if a method needs what the task or the model does not have.
    """
    journal = Journal()
    context = journal.listening(context)
    stages.check_needs(context, chosen)
    asked = stages.questions(context)
    this = _Run(context, asked, forget_percent, output, _blank(context, asked, forget_percent), journal)
    models = stages.references(context)
    rows = {name: this.row(model, None, name) for name, model in models.named().items()}
    against = _Against(rows["target"], rows.get("gold"), _gate(rows))
    references = {}
    for name, model in models.named().items():
        references[name] = _write(this, _reference_record(this, name, model, rows[name]), rows[name], against)
        yield references[name]
    for choice in chosen:
        for seed in seeds:
            method = _Method(choice, seed, _method_record(this, choice, seed, references))
            yield _unlearned(this, models.target, method, against)


def _gate(rows: Mapping[str, _Row]) -> Gate:
    gold = rows.get("gold")
    return gate(rows["base"].answers.scores, rows["target"].answers.scores, gold.answers.scores if gold else None)


def _unlearned(this: _Run, target: ModelRef, method: _Method, against: _Against) -> Finished:
    """One row of a method: unlearn, predict, score, write."""
    choice, seed = method.choice, method.seed
    try:
        artifact = stages.unlearn(this.context, target, choice.method, choice.config, seed)
        row = this.row(target, artifact, f"{choice.label}, seed {seed}")
    except RunFailed as failure:
        return _write_failed(this, _failed_record(this, target, method, failure), against.gate)
    history = artifact.path / HISTORY
    return _write(this, _unlearned_record(this, target, method, artifact, row), row, against, history)


# -- manifests -----------------------------------------------------------------------------------------------------


def _blank(context: RunContext, asked: Questions, forget_percent: int) -> RunManifest:
    return RunManifest(
        run_id="-",
        status="done",
        label="-",
        kind="reference",
        fidelity=None,
        model=context.card.name,
        task=context.task.name,
        task_version=context.task.version,
        fold=context.fold.value,
        forget_ratio=forget_percent / 100,
        seed=None,
        limit=context.limit,
        config=None,
        recipe_source="",
        precision=context.asking.dtype,
        keys={},
        digests={
            "data": context.data.benchmark.digest,
            "task": digest(context.task.model_dump(mode="json")),
            "model": "-",
            "code": source_digest(),
            "prompts": asked.prompts,
        },
        version=__version__,
        environment=environment(),
    )


def _asked_of(this: _Run, model: ModelRef, stored: StoredStage) -> dict[str, Any]:
    """What the manifest of a model that was asked says about that."""
    inputs = stored.manifest.request["inputs"]
    assert isinstance(inputs, dict)
    return {
        "backend": str(inputs.get("backend", "transformers")),
        "keys": {"predict": stored.key},
        "digests": this.blank.digests | {"model": model.digest},
    }


def _reference_record(this: _Run, name: str, model: ModelRef, row: _Row) -> RunManifest:
    stored = row.predicted.stored
    told = {"run_id": this.run_id(name, None, stored), "label": name}
    return this.blank.model_copy(update=told | _asked_of(this, model, stored))


def _method_record(this: _Run, choice: Chosen, seed: int, references: Mapping[str, Finished]) -> dict[str, Any]:
    context = this.context
    trained = {"dtype": context.loader.dtype} if context.loader.dtype != "float32" else {}
    config = choice.config.model_dump(mode="json")
    settings = digest({"label": choice.label, "config": config, "data": context.data.benchmark.digest, **trained})
    return {
        "label": choice.label,
        "kind": "test-time" if suppresses(choice.method) else "weights",
        "fidelity": choice.method.fidelity,
        "seed": seed,
        "config": config,
        "recipe_source": choice.source,
        "selected_on": choice.selected_on,
        "settings": settings,
        "target_run": references["target"].manifest.run_id,
        "gold_run": references["gold"].manifest.run_id if "gold" in references else None,
    }


def _unlearned_record(this: _Run, target: ModelRef, method: _Method, artifact: StoredStage, row: _Row) -> RunManifest:
    stored = row.predicted.stored
    asked = _asked_of(this, target, stored)
    about = json.loads((artifact.path / "artifact.json").read_text(encoding="utf-8"))
    told = {
        "run_id": this.run_id(method.choice.label, method.seed, stored),
        "keys": asked["keys"] | {"unlearn": artifact.key},
        "digests": asked["digests"] | {"artifact": stages.change_digest(artifact)},
        "figures": about["figures"],
        "cost": _cost(about["cost"], artifact),
    }
    return this.blank.model_copy(update={**asked, **method.record, **told})


def _cost(about: Mapping[str, Any], artifact: StoredStage) -> CostRecord:
    return CostRecord(
        fit_seconds=about["seconds"],
        peak_memory_mb=artifact.manifest.peak_memory_mb,
        trainable_params=about["trainable_params"],
        forwards=about["forwards"],
        backwards=about["backwards"],
        peak_device_mb=about.get("peak_device_mb", 0.0),  # older artifacts do not tell
        extra_params=about.get("extra_params", 0),
        inference_overhead=about.get("inference_overhead", 0.0),
    )


def _failed_record(this: _Run, target: ModelRef, method: _Method, failure: RunFailed) -> RunManifest:
    known = {name: value for name, value in this.blank.digests.items() if name != "prompts"}  # it was asked nothing
    told = {
        "run_id": f"{method.choice.label}-s{method.seed}-{method.record['settings'][:8]}",
        "status": "failed",
        "error": str(failure),
        "digests": known | {"model": target.digest},
    }
    return this.blank.model_copy(update={**method.record, **told})


# -- folders -------------------------------------------------------------------------------------------------------


def _write(this: _Run, record: RunManifest, row: _Row, against: _Against, history: Path | None = None) -> Finished:
    vector = _vector(row, against)
    verdict = against.gate
    record = record.model_copy(
        update={"vector": vector, "gate": verdict.verdict.value, "measurable": verdict.measurable}
    )

    def fill(folder: Path) -> None:
        atomic_write(folder / LOG, row.log)
        if history is not None and history.is_file():  # nothing was trained, or before there were histories
            shutil.copyfile(history, folder / HISTORY)
        shutil.copyfile(row.predicted.file, folder / PREDICTIONS)
        write_scored_items(folder / ITEMS, this.asked.items, row.answers.predictions, row.answers.scores)
        atomic_write(folder / SCORES, _scores_json(row, vector, against))

    folder = replace_folder(this.output / record.run_id, record, fill)
    return Finished(folder, record, tuple(row.answers.scores), verdict)


def _write_failed(this: _Run, record: RunManifest, verdict: Gate) -> Finished:
    log = this.journal.take() + f"failed: {record.error}\n"
    folder = replace_folder(this.output / record.run_id, record, lambda folder: atomic_write(folder / LOG, log))
    return Finished(folder, record, (), verdict)


def _vector(row: _Row, against: _Against) -> Vector:
    gold = against.gold.vector if against.gold else None
    return Vector(
        **asdict(row.vector),
        overall=overall(row.vector, against.target.vector, gold, memory=against.gate.measurable),
        overall_memory=row.summary.composites.overall_memory,
        overall_understanding=row.summary.composites.overall_understanding,
    )


def _scores_json(row: _Row, vector: Vector, against: _Against) -> str:
    distances = None
    if against.gold is not None:
        measurable = against.gate.measurable
        found = to_gold(row.answers, against.target.answers, against.gold.answers, measurable=measurable)
        distances = [asdict(column) for column in found]
    whole: Mapping[str, object] = json.loads(row.summary.to_json()) | {
        "vector": vector.model_dump(),
        "gate": asdict(against.gate),
        "gold": distances,
    }
    return json.dumps(whole, sort_keys=True, indent=1, allow_nan=False) + "\n"
