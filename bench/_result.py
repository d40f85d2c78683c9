"""What every benchmark prints: ours against the usual way, in one run, on one machine."""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Result:
    """`ratio` is other / ours: above 1, ours is that many times cheaper. `equal`: both gave the same result."""

    name: str
    ratio: float
    ours: float
    other: float
    unit: str
    equal: bool


def result(name: str, ours: float, other: float, unit: str, *, equal: bool) -> Result:
    return Result(name, other / ours, ours, other, unit, equal)


def parser(doc: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", action="store_true", help="one JSON object a line")
    return made


def show(results: list[Result], *, as_json: bool) -> None:
    for found in results:
        if as_json:
            print(json.dumps(asdict(found)), flush=True)
        else:
            same = "same results" if found.equal else "DIFFERENT RESULTS"
            both = f"ours {found.ours:.4g}, other {found.other:.4g} {found.unit}"
            print(f"{found.name}: {found.ratio:.2f}x ({both}; {same})")


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_turns(
    ours: Callable[[], object], other: Callable[[], object], rounds: int, prepare: Callable[[], object] = lambda: None
) -> tuple[float, float]:
    """Median seconds of each, taken in turns so that both see the same machine. `prepare` comes first, untimed."""
    pairs = []
    for _ in range(rounds):
        prepare()
        pairs.append((seconds(ours), seconds(other)))
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)
