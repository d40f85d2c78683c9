"""A whole run: base, target and gold are asked, methods unlearn and are asked, all is scored and written down."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from smllmun_bench import __version__, stages
from smllmun_bench.errors import RunFailed
from smllmun_bench.methods.base import suppresses
from smllmun_bench.results.manifest import CostRecord, RunManifest, Vector
from smllmun_bench.results.predictions import write_predictions
from smllmun_bench.results.run_folder import ITEMS, PREDICTIONS, SCORES, replace_folder
from smllmun_bench.results.scored_items import write_scored_items
from smllmun_bench.schema import Item, Score
from smllmun_bench.scoring.gate import Gate, gate
from smllmun_bench.scoring.gold import Answers, to_gold
from smllmun_bench.scoring.items import score_items
from smllmun_bench.scoring.summary import Summary, overall, summarise
from smllmun_bench.stages import RunContext
from smllmun_bench.stages.loader import ModelRef
from smllmun_bench.stages.method_recipes import Chosen
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


@dataclass(frozen=True, slots=True)
class _Yardsticks:
    """What every row is held against."""

    target: Answers
    gold: Answers | None
    gate: Gate


@dataclass(frozen=True, slots=True)
class _References:
    base: Finished
    target: Finished
    gold: Finished | None
    model: ModelRef
    yardsticks: _Yardsticks


def run(
    context: RunContext,
    chosen: Sequence[Chosen],
    seeds: Sequence[int],
    forget_percent: int,
    output: Path,
) -> Iterator[Finished]:
    """Every reference, then every method at every seed, each yielded when its folder is complete.

    A method whose training fails (RunFailed) is written down as failed and does not stop the others.
    """
    references = _references(context, forget_percent, output)
    yield from (part for part in (references.base, references.target, references.gold) if part is not None)
    for choice in chosen:
        for seed in seeds:
            yield _unlearned(context, references, choice, seed, forget_percent, output)


def _references(context: RunContext, forget_percent: int, output: Path) -> _References:
    models: dict[str, ModelRef | None] = {
        "base": stages.base(context),
        "target": stages.target(context),
        "gold": stages.gold(context),
    }
    asked: dict[str, tuple[StoredStage, ModelRef, Answers]] = {}
    items = stages.questions(context)
    for name, model in models.items():
        if model is not None:
            entry, predictions = stages.predict(context, model, None, name)
            asked[name] = (
                entry,
                model,
                Answers(
                    score_items(items, predictions, context.task.metrics, directions=context.task.direction),
                    predictions,
                ),
            )
    answers = {name: answered for name, (_, _, answered) in asked.items()}
    gold = answers.get("gold")
    verdict = gate(answers["base"].scores, answers["target"].scores, gold.scores if gold else None)
    yardsticks = _Yardsticks(answers["target"], gold, verdict)
    finished: dict[str, Finished] = {}
    for name, (entry, model, answered) in asked.items():
        record = _record(context, forget_percent, entry, model).model_copy(
            update={"run_id": _run_id(name, context, forget_percent, None, entry), "label": name, "kind": "reference"}
        )
        finished[name] = _write(output, record, items, answered, yardsticks)
    start = models["target"]
    assert start is not None
    return _References(finished["base"], finished["target"], finished.get("gold"), start, yardsticks)


def _unlearned(
    context: RunContext, references: _References, choice: Chosen, seed: int, forget_percent: int, output: Path
) -> Finished:
    trained = {"dtype": context.loader.dtype} if context.loader.dtype != "float32" else {}
    config = choice.config.model_dump(mode="json")
    settings = digest({"label": choice.label, "config": config, "data": context.data.benchmark.digest, **trained})
    common = {
        "label": choice.label,
        "kind": "test-time" if suppresses(choice.method) else "weights",
        "fidelity": choice.method.fidelity,
        "seed": seed,
        "config": config,
        "recipe_source": choice.source,
        "selected_on": choice.selected_on,
        "settings": settings,
        "target_run": references.target.manifest.run_id,
        "gold_run": references.gold.manifest.run_id if references.gold is not None else None,
    }
    try:
        artifact = stages.unlearn(context, references.model, choice.method, choice.config, seed)
        entry, predictions = stages.predict(context, references.model, artifact, f"{choice.label}, seed {seed}")
    except RunFailed as failure:
        record = _record(context, forget_percent, None, references.model).model_copy(
            update=common
            | {"run_id": f"{choice.label}-s{seed}-{settings[:8]}", "status": "failed", "error": str(failure)}
        )
        return _write_failed(output, record, references.yardsticks.gate)
    about = json.loads((artifact.path / "artifact.json").read_text(encoding="utf-8"))
    record = _record(context, forget_percent, entry, references.model)
    record = record.model_copy(
        update=common
        | {
            "run_id": _run_id(choice.label, context, forget_percent, seed, entry),
            "keys": record.keys | {"unlearn": artifact.key},
            "digests": record.digests | {"artifact": stages.change_digest(artifact)},
            "figures": about["figures"],
            "cost": CostRecord(
                fit_seconds=about["cost"]["seconds"],
                peak_memory_mb=artifact.manifest.peak_memory_mb,
                trainable_params=about["cost"]["trainable_params"],
                forwards=about["cost"]["forwards"],
                backwards=about["cost"]["backwards"],
                peak_device_mb=about["cost"].get("peak_device_mb", 0.0),  # older artifacts do not tell
                extra_params=about["cost"].get("extra_params", 0),
                inference_overhead=about["cost"].get("inference_overhead", 0.0),
            ),
        }
    )
    items = stages.questions(context)
    answered = Answers(
        score_items(items, predictions, context.task.metrics, directions=context.task.direction), predictions
    )
    return _write(output, record, items, answered, references.yardsticks)


def _run_id(label: str, context: RunContext, forget_percent: int, seed: int | None, entry: StoredStage) -> str:
    task = context.task.name.replace("/", ".")  # a run is one folder, not one below another
    parts = [label, context.card.name, task, f"f{forget_percent}", f"s{seed}" if seed is not None else "ref"]
    return "-".join([*parts, entry.key[:8]])


def _backend(entry: StoredStage | None) -> str:
    asked = {} if entry is None else entry.manifest.request["inputs"]
    assert isinstance(asked, dict)
    return str(asked.get("backend", "transformers"))


def _record(context: RunContext, forget_percent: int, entry: StoredStage | None, model: ModelRef) -> RunManifest:
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
        backend=_backend(entry),
        precision=context.asking.dtype,
        keys={"predict": entry.key} if entry is not None else {},
        digests={
            "data": context.data.benchmark.digest,
            "task": digest(context.task.model_dump(mode="json")),
            "model": model.digest,
            "code": source_digest(),
        }
        | ({"prompts": str(entry.manifest.request["inputs"]["prompts"])} if entry is not None else {}),  # type: ignore[index, call-overload]
        version=__version__,
        environment=environment(),
    )


def _write(
    output: Path,
    record: RunManifest,
    items: Sequence[Item],
    answered: Answers,
    against: _Yardsticks,
) -> Finished:
    summary = summarise(answered.scores)
    target, gold = against.target, against.gold
    vector = Vector(
        **asdict(summary.vector),
        overall=overall(
            summary.vector,
            summarise(target.scores).vector,
            summarise(gold.scores).vector if gold else None,
            memory=against.gate.measurable,
        ),
        overall_memory=summary.composites.overall_memory,
        overall_understanding=summary.composites.overall_understanding,
    )
    record = record.model_copy(
        update={"vector": vector, "gate": against.gate.verdict.value, "measurable": against.gate.measurable}
    )
    more = {
        "gate": asdict(against.gate),
        "gold": [asdict(column) for column in to_gold(answered, target, gold, measurable=against.gate.measurable)]
        if gold
        else None,
    }

    def fill(folder: Path) -> None:
        write_predictions(folder / PREDICTIONS, answered.predictions)
        write_scored_items(folder / ITEMS, items, answered.predictions, answered.scores)
        atomic_write(folder / SCORES, _scores_json(summary, vector, more))

    folder = replace_folder(output / record.run_id, record, fill)
    return Finished(folder, record, tuple(answered.scores), against.gate)


def _write_failed(output: Path, record: RunManifest, verdict: Gate) -> Finished:
    return Finished(replace_folder(output / record.run_id, record, lambda folder: None), record, (), verdict)


def _scores_json(summary: Summary, vector: Vector, more: Mapping[str, object]) -> str:
    whole: Mapping[str, object] = json.loads(summary.to_json()) | {"vector": vector.model_dump(), **more}
    return json.dumps(whole, sort_keys=True, indent=1, allow_nan=False) + "\n"
