"""Workers that never finish, started by a script that the tests stop from outside: `python hanging.py FOLDER`."""

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from smllmun_bench import runtime
from smllmun_bench.stages.jobs import fill_store


def hang(folder: Path) -> Any:
    (folder / str(os.getpid())).touch()
    time.sleep(600)


if __name__ == "__main__":
    runtime.stop_as_by_ctrl_c()
    try:
        fill_store(partial(hang, Path(sys.argv[1])), [("a", 0), ("b", 0)], 2)  # type: ignore[list-item]
    except KeyboardInterrupt:
        sys.exit("stopped")
