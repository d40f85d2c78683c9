"""`python dying.py N ARGUMENTS`: the command line, killed by SIGKILL before its N-th change of the disk.

Changes are what Python announces as an audit event: files opened to be written, renames, new and removed names. They
come in one order, so a number is a place in the run, whatever the machine's speed. With N = 0 nothing dies, and the
number of changes is the last line on stderr.
"""

import os
import signal
import sys

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
seen = 0


def main() -> None:
    last = int(sys.argv[1])
    sys.argv[1:2] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        global seen
        if event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES):
            if any(isinstance(part, str) and part.startswith(("/dev", "/proc")) for part in arguments):
                return
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

    from smllmun_bench.cli.main import main as command

    sys.dont_write_bytecode = True
    sys.addaudithook(watch)
    try:
        command()
    finally:
        print(seen, file=sys.stderr)


if __name__ == "__main__":
    main()
