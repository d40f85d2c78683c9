"""`python tests/stress`: tries to break the program through its command line, and prints a table of how it ended.

Seeded: the same seed tries the same things and prints the same bytes on stdout, as long as the program ends well;
progress and faults go to stderr. Exit code 1 if there was a fault.
"""

import argparse
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import divergence
import interruptions
import names
import settings
from commands import World, call, run_command
from figures import Figure, table
from malformed import malformed

MALFORMED = 1000  # inputs of the whole suite


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--share", type=float, default=1.0, help="of the whole suite, such as 0.25")
    options.add_argument("--only", nargs="*", default=(), help="these checks, such as chosen-kills damage")
    options.add_argument("--store", type=Path, help="one that has base, target and gold of nano already; is copied")
    options.add_argument(
        "--keep", type=Path, help="work in this folder, and leave it: inputs that were faults are in it"
    )
    arguments = options.parse_args()
    if not 0 < arguments.share <= 1:
        options.error("--share is above 0 and at most 1")
    figures = []
    with tempfile.TemporaryDirectory(prefix="stress-") as scratch:
        world = prepared((arguments.keep or Path(scratch)).resolve(), arguments.store)
        started = time.monotonic()
        for figure in checks(world, arguments.seed, arguments.share, arguments.only):
            figures.append(figure)
            took, started = time.monotonic() - started, time.monotonic()
            print(f"{figure.check}, {figure.what}: {figure.tries} tries, {took:.0f} s", file=sys.stderr, flush=True)
            for fault in figure.faults:
                print(f"FAULT  {fault}", file=sys.stderr, flush=True)
    print(f"seed {arguments.seed}, share {arguments.share:g}")
    print(table(figures))
    return int(any(figure.faults for figure in figures))


def prepared(folder: Path, given: Path | None) -> World:
    """A store with the nano models and the answers of base, target and gold, so that a run takes seconds."""
    template, output = folder / "template", folder / "prepared"
    if given is not None and not template.exists():
        shutil.copytree(given, template)
    command = run_command(template, output, method=("--method", "ga", "--set", "training.steps=1"))
    if fault := call(command).fault(0):
        raise SystemExit(f"cannot begin: {fault}\n  {shlex.join(command)}")
    for made in (template / "v1" / "unlearn", template / "v1" / "locks"):
        shutil.rmtree(made)
    return World(folder, template)


def checks(world: World, seed: int, share: float, only: Sequence[str] = ()) -> Iterator[Figure]:
    """Every check draws from a generator of its own: what one does moves nothing in another."""

    def draw(name: str) -> Random:
        return Random(f"{seed} {name}")

    def times(number: int) -> int:
        return max(1, round(share * number))

    right = interruptions.control(world)
    output = world.folder / "control" / "out"
    known: dict[str, Callable[[], Figure | Iterator[Figure]]] = {
        "chosen-kills": lambda: interruptions.chosen_kills(world, draw("chosen"), right, times(12)),
        "random-kills": lambda: interruptions.random_kills(world, draw("kills"), right, times(6)),
        "at-once": lambda: interruptions.together(world, draw("together"), right, times(3)),
        "disk-full": lambda: interruptions.disk_full(world, draw("full"), right, times(4)),
        "damage": lambda: interruptions.damaged(world, draw("damaged"), right, times(12)),
        "names": lambda: names.names(world, draw("names"), output, share),
        "paths": lambda: names.blanks(world, right, times(4)),
        "divergence": lambda: divergence.divergence(world, draw("divergence"), share),
        "few-people": lambda: divergence.few_people(world, times(5)),
        "settings": lambda: settings.settings(world, right, share),
        "malformed": lambda: malformed(world, draw("malformed"), output, times(MALFORMED)),
    }
    if unknown := set(only) - known.keys():
        raise SystemExit(f"no check {', '.join(sorted(unknown))}: {', '.join(known)}")
    for name in only or known:
        found = known[name]()
        yield from (found,) if isinstance(found, Figure) else found


if __name__ == "__main__":
    sys.exit(main())
