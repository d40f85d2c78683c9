"""Processes: those that were launched together (`accelerate launch -m smllmun_bench run …`), their threads and end."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

T = TypeVar("T")
R = TypeVar("R")


def size() -> int:
    """How many processes were launched together. Asks the launcher's environment; imports nothing."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this one is, from 0."""
    return int(os.environ.get("RANK", "0"))


def device(asked: str) -> str:
    """The device of this process: with `cuda`, each process of a machine has a card of its own."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if asked == "cuda" and size() > 1 else asked


def divided(work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
    """`work` on all items, one result per item, in their order; each process does every n-th of them."""
    if size() == 1:
        return list(work(items))
    mine = list(work(items[rank() :: size()]))
    parts: list[list[R]] = [[] for _ in range(size())]
    process_group().all_gather_object(parts, mine)
    return [parts[number % size()][number // size()] for number in range(len(items))]


def agreed(value: T) -> T:
    """What process 0 says."""
    if size() == 1:
        return value
    box = [value]
    process_group().broadcast_object_list(box, src=0)
    return box[0]


def wait() -> None:
    """Until all are here."""
    if size() > 1:
        process_group().barrier()


@cache
def process_group() -> Any:
    """torch.distributed, joined: NCCL between cards, gloo between CPUs."""
    import torch
    from torch import distributed

    if not distributed.is_initialized():
        on_cards = torch.cuda.is_available() and os.environ.get("ACCELERATE_USE_CPU", "false").lower() != "true"
        if on_cards:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        distributed.init_process_group("cpu:gloo,cuda:nccl" if on_cards else "gloo")
    return distributed


SPINS = 10_000  # turns of a waiting thread before it sleeps: some microseconds; libgomp's default is 300,000


def quiet_threads() -> None:
    """OpenMP's threads spin only for a moment while they wait, and are as many as the cores that this process may use.

    Spinning for long, which is the default, makes a run many times slower as soon as anything else wants a core, and
    sleeping at once makes it slower alone: a toy's products take microseconds (docs/performance.md). The OpenMP library
    reads these once, so this must come before torch is imported; processes that we start inherit them. What the user
    has set stays. The number never depends on how busy the machine is:
    sums are rounded in another order with another number of threads, and weights then differ in their last bits.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(cores()))
    if "OMP_WAIT_POLICY" not in os.environ:  # who sets it has said how to wait
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))  # libgomp: torch's wheels for Linux
    os.environ.setdefault("KMP_BLOCKTIME", "0")  # LLVM's and Intel's (macOS, conda), which otherwise spin for 200 ms


def threads() -> int:
    """How many threads torch may have here: what OMP_NUM_THREADS says, else the cores."""
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]  # "4,2": of nested levels the first
    return int(told) if told.isdigit() and int(told) else cores()


def cores() -> int:
    """The cores that this process may use: those it is bound to, fewer where its container has a quota of less."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(bound, _quota() or bound))


def _quota(groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Whole cores of CPU time that the control group grants (version 2, then 1), at least 1; None: no limit is told."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            told = [word for file in files for word in (groups / file).read_text(encoding="ascii").split()]
        except (OSError, UnicodeDecodeError):
            continue
        if len(told) == 2 and all(word.isdigit() and int(word) for word in told):  # not "max", not -1
            return max(1, int(told[0]) // int(told[1]))
    return None


class Stopped(KeyboardInterrupt):
    """The system or its administrator asked this process to end: what Ctrl-C does, with another number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def stop_as_by_ctrl_c() -> None:
    """SIGTERM and SIGHUP raise `Stopped` in the main thread, so that nothing half-made is left. A second one kills.

    A signal that whoever started us has ignored (`nohup`) stays ignored.
    """
    for number in _stopping():
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def end_with(parent: "Connection") -> None:
    """End this process, at once, when the other end of `parent` is closed: by its holder, or by that one's death."""
    threading.Thread(target=_wait_for_end, args=(parent,), daemon=True).start()


def _stopping() -> list[signal.Signals]:
    return [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def _stop(number: int, frame: FrameType | None) -> None:
    for each in _stopping():
        if signal.getsignal(each) is _stop:
            signal.signal(each, signal.SIG_DFL)
    raise Stopped(number)


def _wait_for_end(parent: "Connection") -> None:
    try:
        parent.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)  # no cleaning up: the main thread may be in the middle of a step of minutes
