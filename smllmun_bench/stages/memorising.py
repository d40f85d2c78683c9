"""What memorising costs, told when it begins, and when it is enough.

Enough is when the memorisation gate is open: the target knows private facts that the base does not, and lost no
ability. It is asked of people of the validation fold, or of retained ones where a data set has no such fold; those who
will be forgotten are never asked.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from smllmun_bench import runtime
from smllmun_bench.errors import UserError
from smllmun_bench.references.recipes import Until
from smllmun_bench.schema import Fold, Item, Kind, Role, Score
from smllmun_bench.scoring.columns import MEMORY
from smllmun_bench.scoring.gate import Verdict, gate
from smllmun_bench.scoring.items import score_items
from smllmun_bench.scoring.summary import summarise
from smllmun_bench.stages.context import RunContext
from smllmun_bench.stages.predicting import Questions, identified, limited, predict_items

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Progress

FILE = "stop.json"
FEW = 24  # questions of each kind at every check, unless `--limit` says another number
TIMED = 5  # steps, after the first one, whose time is taken for that of all


class Costed:
    """Passes steps on to another progress, and tells once, after the first of `steps`, how long all of them take."""

    def __init__(self, progress: "Progress", steps: int, tell: Callable[[str], None]) -> None:
        self._progress, self._steps, self._tell = progress, steps, tell
        self._seen, self._began = 0, 0.0

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        self._progress.step(done, total, figures)
        self._seen += 1
        if self._seen == 1:
            self._began = time.monotonic()
        elif self._seen == 1 + TIMED:
            rate = (time.monotonic() - self._began) / TIMED
            self._tell(f"{rate:.2g} s a step: at most {_lasts(rate * self._steps)} for {self._steps} steps")


class UntilMemorised:
    """Passes steps on, and finds it enough when the gate is open against the base's scores `before`."""

    def __init__(self, progress: "Progress", ask: Callable[[], Sequence[Score]], at_least: float) -> None:
        self._progress, self._ask, self._at_least = progress, ask, at_least
        self._before = ask()
        self.curve: list[tuple[int, float, str]] = []
        self.reached: int | None = None

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        self._progress.step(done, total, figures)

    def on_check(self, step: int) -> bool:
        now = self._ask()
        verdict, known = gate(self._before, now, None).verdict, memory(now)
        enough = runtime.agreed(float(verdict is Verdict.OPEN and known >= self._at_least)) > 0
        self.curve.append((step, known, verdict.value))
        if enough:
            self.reached = step
        return enough


@dataclass(frozen=True, slots=True)
class Stopped:
    """The step after which memorising ended; `reached` tells whether it was enough there."""

    step: int
    reached: bool


def write(folder: Path, watched: UntilMemorised, steps: int) -> None:
    found = {"step": watched.reached or steps, "reached": watched.reached is not None, "curve": watched.curve}
    (folder / FILE).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> Stopped:
    found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return Stopped(found["step"], found["reached"])


def asked(context: RunContext) -> Questions:
    """Private facts, in the role of what is to be forgotten, and abilities. Raises UserError where there is no fact."""
    items = context.data.evaluation(Fold.VALIDATION)
    if not any(_private(item) for item in items):
        others = [item for item in context.data.evaluation(Fold.TEST) if not _private(item)]
        items = [replace(item, role=Role.FORGET) if item.role is Role.RETAIN else item for item in others]
    wanted = [item for item in items if item.role is not Role.RETAIN and item.kind is not Kind.PASSAGE]
    if not any(_private(item) for item in wanted):
        raise UserError(
            f"the task {context.task.name!r} asks about nobody but those who are to be forgotten",
            where="memorise.until",
            fix="leave it out: all steps are made",
        )
    return identified(context, limited(wanted, context.limit or FEW))


def scores(context: RunContext, vlm: "Vlm", questions: Questions) -> list[Score]:
    rows = predict_items(vlm, questions.items, context.task, run_id="check", batch_size=context.batch_size)
    return score_items(questions.items, rows, context.task.metrics, directions=context.task.direction)


def memory(found: Sequence[Score]) -> float:
    """How much is memorised: the mean of the memory columns, as far as there are any."""
    vector = summarise(found).vector
    columns: list[float] = [value for name in MEMORY if (value := getattr(vector, name)) is not None]
    return sum(columns) / len(columns)


def inputs(context: RunContext, until: Until | None) -> dict[str, str]:
    """What a model depends on beside its recipe where checks decide when it is enough."""
    if until is None:
        return {}
    questions = asked(context)
    return {"asked": questions.digest, "prompts": questions.prompts}


def _private(item: Item) -> bool:
    return item.role is Role.FORGET


def _lasts(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
