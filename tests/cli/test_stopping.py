"""What a person or a batch system sees when it stops a command."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from until import until

WAITING = textwrap.dedent("""
    import os, signal, sys, time
    from smllmun_bench.cli import main
    @main.app.command("wait")
    def wait() -> None:
        os.kill(os.getpid(), int(sys.argv.pop()))
        time.sleep(0.2)
        print("went on")
    main.main()
""")


def _stopped(number: int, before: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", before + WAITING.replace("sys.argv.pop()", str(int(number))), "wait"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "interrupted;"),
        (signal.SIGTERM, 143, "interrupted by SIGTERM;"),
        (signal.SIGHUP, 129, "interrupted by SIGHUP;"),
    ],
)
def test_a_signal_is_told_and_gives_the_usual_code(number: signal.Signals, code: int, said: str) -> None:
    done = _stopped(number)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.strip() == f"{said} nothing finished is lost: run the same command again"


def test_nohup_is_respected() -> None:
    done = _stopped(signal.SIGHUP, "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n")
    assert (done.returncode, done.stdout) == (0, "went on\n")


def test_sigterm_in_the_middle_of_training_leaves_nothing_half_made(nano_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(nano_store, store)
    options = "--task smllmun-nano --limit 4 --set training.steps=1000000"
    command = [sys.executable, "-m", "smllmun_bench", "run", "--method", "ga", "--model", "nano", *options.split()]
    environment = os.environ | {"SMLLMUN_STORE": str(store)}
    running = subprocess.Popen(
        [*command, "--output", str(tmp_path / "out")], env=environment, stderr=subprocess.PIPE, text=True
    )
    made = store / "v1" / "predict"
    until(lambda: running.poll() is not None or len(list(made.glob("??/*/manifest.json"))) == 3)
    until(lambda: running.poll() is not None or any((store / "v1" / "tmp").iterdir()))
    running.send_signal(signal.SIGTERM)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 143, told
    assert "interrupted by SIGTERM" in told
    assert list((store / "v1" / "tmp").iterdir()) == []
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith((".tmp", ".holder", ".new", ".old"))]
