"""Work that is begun before its result is asked for, in threads."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Prefetcher(Generic[K, V]):
    """`work(key)` for keys that were announced, at most `room` of them begun and not yet taken.

    `take` gives the result, or raises what `work` raised for that very key; a key that nobody announced is worked on
    there and then. Leaving the `with` block forgets what was not taken.
    """

    def __init__(self, work: Callable[[K], V], *, workers: int, room: int) -> None:
        self._work, self._room = work, room
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="prefetch")
        self._waiting: deque[K] = deque()
        self._begun: dict[K, Future[V]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def expect(self, keys: Iterable[K]) -> None:
        """Announce keys, in the order in which they will be taken."""
        self._waiting.extend(keys)
        self._fill()

    def take(self, key: K) -> V:
        """The result for `key`; waits for it if need be."""
        future = self._begun.pop(key, None)
        if future is None and key in self._waiting:
            self._waiting.remove(key)
        self._fill()
        return self._work(key) if future is None else future.result()

    def _fill(self) -> None:
        while self._waiting and len(self._begun) < self._room:
            key = self._waiting.popleft()
            if key not in self._begun:
                self._begun[key] = self._pool.submit(self._work, key)
