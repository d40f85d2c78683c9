"""What all stages of one run share, and how they are told apart."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from smllmun_bench import runtime
from smllmun_bench.data.combined import TaskData
from smllmun_bench.schema import Fold
from smllmun_bench.stages.backends import Backend
from smllmun_bench.stages.loader import Loader
from smllmun_bench.stages.model_cards import ModelCard
from smllmun_bench.store.store import StageEvent, Store, StoredStage
from smllmun_bench.tasks import TaskSpec

VERSIONS = {
    "pretrain": 2, "align": 2, "join": 1, "memorise": 1, "learn": 1, "merge": 1,
    "adapter": 2, "unlearn": 2, "predict": 3, "stop": 2, "attack": 1,
}  # fmt: skip

Watch = Callable[[str, int], Any]
"""Opens a progress bar: (what is going on, steps) -> a context manager that gives `advance(n, **figures)`."""


def no_watch(what: str, total: int) -> Any:
    return nullcontext(lambda n=1, **figures: None)


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all stages of one run share."""

    store: Store
    task: TaskSpec
    data: TaskData
    card: ModelCard
    loader: Loader
    fold: Fold = Fold.TEST
    limit: float | None = None
    batch_size: int = 64
    watch: Watch = no_watch
    on_event: Callable[[StageEvent], None] = lambda event: None
    backend: Backend = "transformers"
    answer_dtype: str | None = None  # precision in which a model answers; none: the one that it is trained in

    @property
    def asking(self) -> Loader:
        """Where models that are asked come from."""
        return self.loader.at(self.answer_dtype or self.loader.dtype)

    def numerics(self, loader: Loader) -> dict[str, str]:
        """What rounding depends on, where models come from `loader`."""
        launched = {"processes": str(runtime.size())} if runtime.size() > 1 else {}  # gradients add up otherwise
        return {"device": loader.device.split(":")[0], "dtype": loader.dtype} | launched

    def built(self) -> dict[str, str]:
        """The same for base, target and gold. Those of a recipe of ours are trained in float32, and are one model
        wherever they are made, so that what ships is found whatever `--device`, `--dtype` and a launch say."""
        return self.numerics(self.loader) if self.card.path is not None else {"device": "cpu", "dtype": "float32"}


class Bar:
    """A `Progress` of the training loop that moves one of our bars."""

    def __init__(self, advance: Callable[..., None]) -> None:
        self._advance = advance

    def step(self, done: int, total: int, figures: Any) -> None:
        self._advance(1, **figures)


class StopAt:
    """Passes steps on to another progress, and finds `step` to be enough."""

    def __init__(self, progress: Any, step: int) -> None:
        self._progress, self._last = progress, step

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        self._progress.step(done, total, figures)

    def on_check(self, step: int) -> bool:
        return step >= self._last


def named(context: RunContext, name: str) -> Callable[[StageEvent], None]:
    """Tells `context` of a stage together with what it is about."""
    return lambda event: context.on_event(replace(event, stage=f"{event.stage} {name}"))


def change_digest(artifact: StoredStage) -> str:
    """What an artifact changes, identified by its tensors alone: its cost lies beside them and differs each time."""
    return artifact.manifest.outputs["artifact.safetensors"].sha256
