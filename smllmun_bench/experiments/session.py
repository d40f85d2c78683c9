"""What everything that runs models has in common: task, ratio, store and context, from options. Prints nothing."""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from smllmun_bench import runtime
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fold

if TYPE_CHECKING:
    from smllmun_bench.experiments.saved import Asked
    from smllmun_bench.stages import RunContext
    from smllmun_bench.stages.backends import Backend
    from smllmun_bench.stages.context import Watch
    from smllmun_bench.stages.jobs import Job
    from smllmun_bench.store.store import StageEvent, Store
    from smllmun_bench.tasks import TaskSpec


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What may be said of a run of models."""

    model: str
    task: str | None  # none: the one of the model's card
    forget_ratio: int | None = None
    target: str | None = None
    gold: str | None = None
    store: Path | None = None
    device: str = "cpu"
    dtype: str = "float32"
    fold: Fold = Fold.TEST
    limit: float | None = None
    batch_size: int = 64
    quiet: bool = False
    finished_only: bool = False
    device_map: str | None = None
    data: Path | None = None
    backend: "Backend" = "transformers"
    answer_dtype: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A context, the ratio in percent, and the events of its stages as they happened."""

    context: "RunContext"
    percent: int
    events: "list[StageEvent]" = field(default_factory=list)


def open_task(name: str, percent: int | None) -> "tuple[TaskSpec, int]":
    """The task, and the ratio or its default. Raises UserError for a ratio that the task does not offer."""
    from smllmun_bench import tasks
    from smllmun_bench.scoring.items import check_metrics

    task = tasks.load(name)
    check_metrics(task.metrics, where=f"task {task.name!r}, key 'metrics'")
    if not task.forgets and percent is None:
        return task, 0
    percent = task.forget_percents.default if percent is None else percent
    if percent not in task.forget_percents.available:
        offered = ", ".join(map(str, task.forget_percents.available))
        fix = f"one of {offered}" if task.forgets else "leave it out: this task only asks"
        raise UserError(f"task {task.name!r} cannot forget {percent} %", where="--forget-ratio", fix=fix)
    return task, percent


def open_asked(name: str, data: Path | None, percent: int | None, fold: Fold, limit: float | None) -> "Asked":
    """What a task asks, for models that are not run here."""
    from smllmun_bench.data.combined import TaskData
    from smllmun_bench.experiments.saved import Asked
    from smllmun_bench.stages.predicting import limited

    task, ratio = open_task(name, percent)
    source = TaskData(task, ratio, data)
    return Asked(task, source, ratio, fold, limit, tuple(limited(source.evaluation(fold), limit)))


def open_store(root: Path | None, *, finished_only: bool = False) -> "Store":
    """The store at `root` or in the usual place, with the finished toy that ships with the package behind it."""
    from smllmun_bench import resources
    from smllmun_bench.store.overlays import FinishedStore
    from smllmun_bench.store.store import Store, default_root

    try:
        shipped = [resources.shipped("store")]
    except FileNotFoundError:
        shipped = []  # a checkout in which the toy was not built yet
    if runtime.size() > 1 and not finished_only:
        from smllmun_bench.store.collective import CollectiveStore

        return CollectiveStore(root or default_root(), shipped)
    return (FinishedStore if finished_only else Store)(root or default_root(), shipped)


def _tell(event: "StageEvent") -> None:
    from smllmun_bench.store.store import Action

    if event.action is Action.DAMAGED:
        warnings.warn(f"damaged, set aside and made again ({event.stage}): {event.detail}", stacklevel=2)


def open_session(
    options: RunOptions, watch: "Watch | None" = None, tell: "Callable[[StageEvent], None]" = _tell
) -> Session:
    """Everything a run needs. Reads task and model card and checks the device; loads no model.

    `watch` opens a progress bar; `tell` hears what a person should know of a stage while it goes on.
    """
    from smllmun_bench.data.combined import TaskData
    from smllmun_bench.models.devices import check_device, check_device_map
    from smllmun_bench.stages import RunContext, model_cards
    from smllmun_bench.stages.context import no_watch
    from smllmun_bench.stages.loader import Loader
    from smllmun_bench.stages.predicting import check_limit
    from smllmun_bench.store.upkeep import sweep

    card = model_cards.load(options.model, target=options.target, gold=options.gold)
    task, percent = open_task(card.task if options.task is None else options.task, options.forget_ratio)
    device = runtime.device(options.device)
    check_device(device)
    check_device_map(options.device_map)
    check_limit(options.limit)
    if options.backend == "vllm":
        from smllmun_bench.models.vllm import check

        check(device, runtime.size())
    if not task.forgets:
        raise UserError(
            f"task {task.name!r} only asks: it has nothing to forget",
            where="--task",
            fix="a task that forgets, or `smllmun-bench score` for predictions that are there",
        )
    data = TaskData(task, percent, options.data)
    events: list[StageEvent] = []
    store = open_store(options.store, finished_only=options.finished_only)
    sweep(store)
    context = RunContext(
        store,
        task,
        data,
        card,
        Loader(data, device=device, dtype=options.dtype, device_map=options.device_map),
        options.fold,
        options.limit,
        options.batch_size,
        watch or no_watch,
        _hear(events, tell),
        options.backend,
        options.answer_dtype,
    )
    return Session(context, percent, events)


def open_quietly(options: RunOptions) -> "RunContext":
    """The same context in another process, which says nothing."""
    stay_offline()
    return open_session(options).context


def fill_store(
    session: Session,
    options: RunOptions,
    jobs: "Sequence[Job]",
    workers: int,
    open_worker: "Callable[[RunOptions], RunContext]" = open_quietly,
) -> None:
    """Fill the store with what the jobs need, in several processes; with one worker the run does it itself."""
    if workers == 1 or len(jobs) < 2 or runtime.size() > 1:
        return
    from smllmun_bench import stages
    from smllmun_bench.stages.jobs import fill_store as fill
    from smllmun_bench.store.upkeep import sweep

    stages.check_needs(session.context, [choice for choice, _ in jobs])
    stages.target(session.context)  # in this process, with all cores
    try:
        with session.context.watch(f"{len(jobs)} runs in {workers} processes", len(jobs)) as advance:
            fill(partial(open_worker, options), jobs, workers, advance)
    finally:
        sweep(session.context.store)  # what workers that were stopped had begun


def record(session: Session, slug: str) -> str:
    """Note in the store what the session used, so that `gc` spares it; gives why not, if it cannot be written."""
    from smllmun_bench.store.upkeep import record_run

    try:
        record_run(session.context.store, slug, [event.key for event in session.events])
    except UserError as error:  # what is in it serves all the same
        return f"not recorded in the store, so `smllmun-bench store gc` does not know it: {error}"
    return ""


def stay_offline() -> None:
    """No look at the hub: what is not on this machine is an error at once, not a timeout."""
    os.environ["HF_HUB_OFFLINE"] = "1"


def _hear(events: "list[StageEvent]", tell: "Callable[[StageEvent], None]") -> "Callable[[StageEvent], None]":
    from smllmun_bench.store.store import Action

    def hear(event: "StageEvent") -> None:
        if event.action in (Action.MADE, Action.REUSED):
            events.append(event)
        tell(event)

    return hear
