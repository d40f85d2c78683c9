"""Several unlearning runs at once: worker processes fill the store, and whoever comes after finds everything there.

Workers leave nothing but finished folders of the store, so an interrupted sweep loses at most what was in the making,
and what comes out is what one process would have made. A worker has its share of the cores: two threads of torch that
fight for one core are far slower than one. It ends with the process that started it, however that one ends.
"""

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection

from smllmun_bench import runtime
from smllmun_bench.errors import RunFailed, UserError
from smllmun_bench.models.libraries import import_libraries
from smllmun_bench.stages.building import target
from smllmun_bench.stages.context import RunContext
from smllmun_bench.stages.loader import ModelRef
from smllmun_bench.stages.method_recipes import Chosen
from smllmun_bench.stages.predicting import Questions, predict, questions
from smllmun_bench.stages.unlearning import unlearn

Job = tuple[Chosen, int]
"""A method with its settings, and a seed."""


@dataclass(frozen=True, slots=True)
class _Worker:
    """What one process has for its whole life, so that models, pixels and questions are kept."""

    context: RunContext
    target: ModelRef
    asked: Questions


_worker: list[_Worker] = []  # of this process; a pool hands nothing from its initialiser to its jobs


def fill_store(
    open_context: Callable[[], RunContext],
    jobs: Sequence[Job],
    workers: int,
    on_done: Callable[[int], None] = lambda n: None,
) -> None:
    """Unlearn and predict for every job, in `workers` processes. Each calls `open_context` once; it must be picklable.

    A job whose training fails (RunFailed) leaves nothing; whoever asks for it next meets the failure.
    """
    spawn = get_context("spawn")
    theirs, ours = spawn.Pipe(duplex=False)  # open as long as we live and want what they do
    with (
        ours,
        ProcessPoolExecutor(
            workers, spawn, _enter, (open_context, max(1, runtime.threads() // workers), theirs)
        ) as pool,
    ):
        try:
            for future in as_completed([pool.submit(_make, job) for job in jobs]):
                future.result()
                on_done(1)
        except BrokenProcessPool:
            raise UserError(
                f"one of {workers} processes was ended from outside, as the system does where memory runs out",
                where="--jobs",
                fix="fewer --jobs, or none: what is finished is kept",
            ) from None
        except BaseException:
            ours.close()  # ends them: whoever stops us wants no more of them
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _enter(open_context: Callable[[], RunContext], threads: int, parent: Connection) -> None:
    runtime.end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which knows what to say
    import_libraries()
    import torch

    torch.set_num_threads(threads)
    context = open_context()
    _worker.append(_Worker(context, target(context), questions(context)))


def _make(job: Job) -> None:
    mine, (choice, seed) = _worker[0], job
    try:
        artifact = unlearn(mine.context, mine.target, choice.method, choice.config, seed)
        predict(mine.context, mine.asked, mine.target, artifact, choice.label)
    except RunFailed:
        return
