"""Training steps of a small decoder as the commands set OpenMP up, against its own defaults: alone, and with company.

python bench/busy.py [--steps 60] [--rounds 3] [--json]
"""

import os
import statistics
import subprocess
import sys

from _result import parser, result, show

from smllmun_bench import runtime

SPIN = [sys.executable, "-c", "while True: pass"]
WORK = """
import sys, time, torch
torch.manual_seed(0)
layers = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(192, 4, 512, batch_first=True), 4)
rows, optimiser = torch.randn(16, 48, 192), torch.optim.AdamW(layers.parameters())
def step():
    loss = layers(rows).square().mean()
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
for _ in range(3):
    step()
started = time.perf_counter()
for _ in range(int(sys.argv[1])):
    step()
print(time.perf_counter() - started)
"""


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=60)
    options.add_argument("--rounds", type=int, default=3)
    arguments = options.parse_args()
    default = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "KMP_"))}
    os.environ.clear()
    os.environ.update(default)
    runtime.quiet_threads()
    ours = dict(os.environ)
    alone = _in_turns(ours, default, arguments.steps, arguments.rounds)
    beside = subprocess.Popen(SPIN)
    try:
        busy = _in_turns(ours, default, arguments.steps, arguments.rounds)
    finally:
        beside.kill()
        beside.wait()
    named = (("alone", alone), ("beside a busy process", busy))
    show([result(f"training, {name}", *pair, "s", equal=True) for name, pair in named], as_json=arguments.json)


def _in_turns(ours: dict[str, str], other: dict[str, str], steps: int, rounds: int) -> tuple[float, float]:
    """Median seconds of each; a fresh process each time, for OpenMP reads its settings when it is loaded."""
    pairs = [(_seconds(ours, steps), _seconds(other, steps)) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def _seconds(environment: dict[str, str], steps: int) -> float:
    command = [sys.executable, "-c", WORK, str(steps)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


if __name__ == "__main__":
    main()
