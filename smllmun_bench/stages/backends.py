"""Who answers: the model in this process, or vLLM for what is plain weights."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from smllmun_bench.models.libraries import import_libraries
from smllmun_bench.stages.loader import Loader, ModelRef
from smllmun_bench.store.stored_stage import StoredStage

if TYPE_CHECKING:
    from smllmun_bench.models.answering import Answerer

Backend = Literal["transformers", "vllm"]
IN_WEIGHTS = ("none", "delta", "lora")  # kinds of artifacts that a folder of weights can hold


def backend_of(asked: Backend, artifact: StoredStage | None) -> Backend:
    """What acts while a model answers (hooks, gates, prompt filters) cannot be served: transformers answers there."""
    if artifact is None or asked == "transformers":
        return asked
    return asked if kind_of(artifact) in IN_WEIGHTS else "transformers"


def kind_of(artifact: StoredStage) -> str:
    """Which kind of change a stored artifact is (`models.change.Kind`)."""
    kind: str = json.loads((artifact.path / "artifact.json").read_text(encoding="utf-8"))["kind"]
    return kind


@contextmanager
def answering(
    loader: Loader, model: ModelRef, artifact: StoredStage | None, backend: Backend, images: int
) -> "Iterator[Answerer]":
    """The model with the change, ready to be asked; `images` is the largest number in one question.

    For vLLM a change is merged into a temporary folder, and the model that this process holds is let go before.
    """
    import_libraries()
    from smllmun_bench.models.change import Artifact

    change = Artifact.load(artifact.path) if artifact is not None else Artifact("none")
    if backend == "transformers":
        with change.mounted(loader.get(model)) as vlm:
            yield vlm
        return
    from smllmun_bench.models.folder import save
    from smllmun_bench.models.loading import load
    from smllmun_bench.models.vllm import served

    loader.let_go()
    with TemporaryDirectory() as scratch:
        path: str | Path = model.path
        if change.kind != "none":
            merged = load(model.path, loader.source, dtype=loader.dtype)
            with change.mounted(merged):
                save(merged.model, merged.processor, Path(scratch))
            del merged
            path = scratch
        with served(path, loader.source, dtype=loader.dtype, images=images) as answerer:
            yield answerer
