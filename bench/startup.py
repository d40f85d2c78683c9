"""How long until help appears, against loading the model libraries first, as a command that imports them would.

python bench/startup.py [--rounds 5] [--json]
"""

import subprocess
import sys

from _result import in_turns, parser, result, show

HELP = [sys.executable, "-m", "smllmun_bench", "run", "--help"]
HEAVY = [sys.executable, "-c", "import torch, transformers, datasets, peft"]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=5)
    arguments = options.parse_args()
    ours, other = in_turns(lambda: _call(HELP), lambda: _call(HEAVY), arguments.rounds)
    show([result("start of `run --help`", ours, other, "s", equal=True)], as_json=arguments.json)


def _call(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
