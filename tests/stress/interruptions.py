"""Kills, several runs at once, a full disk, damaged entries: the same command ends in the same bytes."""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random

from commands import Done, World, begin, call, difference, finish, leftovers, results, run_command
from figures import Figure

SIGKILLED = -9


def control(world: World) -> dict[str, str]:
    """What a run leaves that nothing disturbs."""
    folder = world.fresh("control")
    done = call(run_command(world.store("control/it"), folder / "out"))
    if fault := done.fault(0):
        raise SystemExit(f"an undisturbed run ends in {fault}\n{done.stderr}")
    return results(folder / "out")


def _ended(done: Done, output: Path, right: dict[str, str]) -> str | None:
    return done.fault(0) or difference(results(output), right) or leftovers(output)


def chosen_kills(world: World, random: Random, right: dict[str, str], places: int) -> Figure:
    """Killed before the n-th change of the disk. The places are spread over the whole run, first and last included."""
    figure = Figure("kills", "at a chosen change of the disk")
    folder = world.fresh("chosen")
    counted = call(run_command(world.store("chosen/count"), folder / "counted"), dies_at=0)
    changes = int(counted.stderr.strip().splitlines()[-1])
    if places == 1:
        chosen = {random.randint(1, changes)}
    else:
        bounds = [round(1 + index * (changes - 1) / (places - 1)) for index in range(places)]
        chosen = {bounds[0], bounds[-1], *(random.randint(a, b) for a, b in pairwise(bounds[:-1]))}
    for place in sorted(chosen):
        store, output = world.store("chosen/it"), folder / "out"
        shutil.rmtree(output, ignore_errors=True)
        command = run_command(store, output)
        died = call(command, dies_at=place)
        time.sleep(2)  # what is younger may be a file that somebody is writing
        fault = None if died.code == SIGKILLED else f"did not die: {died.fault(0)}"
        fault = fault or _ended(call(command), output, right)
        figure.count(fault and f"{fault}\n  python tests/stress/dying.py {place} {shlex.join(command)}")
    return figure


def random_kills(world: World, random: Random, right: dict[str, str], rounds: int) -> Figure:
    """Killed three times in a row, at any moment, then let alone. One output and store for the three."""
    figure = Figure("kills", "at any moment, three in a row")
    for _ in range(rounds):
        store, output = world.store("random"), world.folder / "random" / "out"
        command = run_command(store, output)
        for _ in range(3):
            process = begin(command)
            try:
                process.communicate(timeout=random.uniform(0.5, 6.0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        fault = _ended(call(command), output, right)
        figure.count(fault and f"{fault}\n  {shlex.join(command)}")
    return figure


def together(world: World, random: Random, right: dict[str, str], rounds: int) -> Iterator[Figure]:
    """The same command, twice and three times at once, begun within a second of each other."""
    for number in (2, 3):
        figure = Figure("at once", f"{number} runs, one output, one store")
        for _ in range(rounds):
            store, output = world.store("together"), world.folder / "together" / "out"
            command = run_command(store, output)
            processes = []
            for _ in range(number):
                processes.append(begin(command))
                time.sleep(random.uniform(0, 1 / number))
            faults = [fault for process in processes if (fault := finish(process).fault(0))]
            faults += [fault for fault in (difference(results(output), right), leftovers(output)) if fault]
            figure.count(f"{faults[0]}\n  {number} at once of {shlex.join(command)}" if faults else None)
        yield figure


@contextmanager
def small_disk(at: Path, kilobytes: int) -> Iterator[bool]:
    """A tmpfs of that size, if we may mount one."""
    at.mkdir(parents=True, exist_ok=True)
    mounted = (
        os.geteuid() == 0
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(at)], check=False, capture_output=True
        ).returncode
        == 0
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(at)], check=True)


def disk_full(world: World, random: Random, right: dict[str, str], rounds: int) -> Iterator[Figure]:
    """Store or output on a disk that is too small: one message; with room, the same command ends well."""
    for what in ("store", "output"):
        figure = Figure("disk full", f"of the {what}, then room")
        folder = world.fresh(f"full-{what}")
        with small_disk(folder / "probe", 64) as possible:
            pass
        if not possible:
            figure.told = "skipped: only root may mount a small disk"
            yield figure
            continue
        needed = _kilobytes(world.template)
        for _ in range(rounds):
            disk = folder / "disk"
            room = random.randint(4, 60) + (needed if what == "store" else 0)
            with small_disk(disk, room):
                elsewhere = world.fresh(f"full-{what}/elsewhere")
                store = (disk if what == "store" else elsewhere) / "store"
                output = (disk if what == "output" else elsewhere) / "out"
                shutil.copytree(world.template, store)
                command = run_command(store, output)
                full = call(command)
                fault = full.fault(1, 2)
                if fault is None and "space" not in full.stdout + full.stderr:
                    fault = f"does not say that the disk is full: {full.stderr.strip()[-200:]}"
                subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
                fault = fault or _ended(call(command), output, right)
            figure.count(fault and f"{fault}\n  with {room} KiB: {shlex.join(command)}")
        yield figure


def _kilobytes(folder: Path) -> int:
    return sum(4 * -(-path.stat().st_size // 4096) for path in folder.rglob("*") if path.is_file()) + 8


def damaged(world: World, random: Random, right: dict[str, str], rounds: int) -> Figure:
    """One bit of one file of the store is flipped: named, set aside, made again; the results are what they were."""
    figure = Figure("damage", "a bit flipped in a store entry")
    store, output = world.store("damaged"), world.folder / "damaged" / "out"
    command = run_command(store, output)
    first = call(command)
    whole = store.with_name("whole")
    shutil.copytree(store, whole)
    figure.told = "" if first.code == 0 else "the first run failed"
    for round_ in range(rounds):
        shutil.rmtree(store)
        shutil.copytree(whole, store)
        shutil.rmtree(output, ignore_errors=True)
        kinds = ("predict", "unlearn") if round_ % 4 != 3 else ("memorise", "pretrain")  # dear to make again
        files = sorted(path for kind in kinds for path in (store / "v1" / kind).rglob("*") if path.is_file())
        path = random.choice(files)
        data = bytearray(path.read_bytes())
        bit = random.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        done = call(command)
        fault = _ended(done, output, right)
        if fault is None and path.name == "manifest.json" and not any((store / "v1").rglob("damaged/*")):
            figure.count(None)  # what a manifest tells of host and time has no digest; what it says of the data has
            continue
        entry = path.parent.name
        if fault is None and entry[:12] not in done.stderr + done.stdout:
            fault = "the damaged entry was not named"
        if fault is None and not any((store / "v1").rglob(f"damaged/*{entry[:12]}*")):
            fault = "the damaged entry was not set aside"
        figure.count(fault and f"{fault}\n  bit {bit} of {path.relative_to(store)}: {shlex.join(command)}")
    return figure
