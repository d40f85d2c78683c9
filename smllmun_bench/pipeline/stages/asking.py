"""Asking: the predictions of a model."""

from pathlib import Path

from smllmun_bench import runtime
from smllmun_bench.pipeline.models import ModelRef
from smllmun_bench.pipeline.predict import limited, predict, question_of
from smllmun_bench.pipeline.serving import answering, backend_of
from smllmun_bench.pipeline.stages.workshop import VERSIONS, Workshop, change_digest, named
from smllmun_bench.schema import Item, Prediction
from smllmun_bench.store.hashing import digest
from smllmun_bench.store.store import Entry, Request

BATCHING = 2  # goes up when batches of the same size get other shapes


def questions(shop: Workshop) -> list[Item]:
    return limited(shop.data.evaluation(shop.fold), shop.limit)


def ask(shop: Workshop, model: ModelRef, artifact: Entry | None, name: str) -> tuple[Entry, list[Prediction]]:
    """The predictions of a model, with an artifact mounted or without."""
    from smllmun_bench.results.predictions import read_predictions, write_predictions

    items = questions(shop)
    prompts = [question_of(item, shop.task) for item in items]
    inputs = {
        "model": model.digest,
        "artifact": change_digest(artifact) if artifact is not None else None,
        "items": shop.data.evaluation_digest(items),
        "prompts": digest(prompts),
        "generation": shop.task.generation.model_dump(mode="json"),
        "choice": shop.task.choice.model_dump(mode="json") if shop.task.choice is not None else None,
        **shop.numerics(shop.asking),
        # Rounding depends on the shapes of batches in half precision; in float32 the texts do not.
        "batch_size": shop.batch_size if shop.asking.dtype != "float32" else None,
    }
    backend = backend_of(shop.backend, artifact)
    if backend != "transformers":
        inputs["backend"] = backend
    elif shop.asking.dtype != "float32":
        inputs["batching"] = BATCHING
    request = Request("predict", VERSIONS["predict"], inputs)

    def make(folder: Path) -> None:
        most = max((len(item.images) for item in items), default=0)
        with (
            shop.watch(f"asking {name}", len(items)) as advance,
            answering(shop.asking, model, artifact, backend, most) as vlm,
        ):
            rows = runtime.divided(
                lambda part: predict(
                    vlm, part, shop.task, run_id=request.key, batch_size=shop.batch_size, on_done=advance
                ),
                items,
            )
        write_predictions(folder / "predictions.parquet", rows)

    entry = shop.store.get_or_make(request, make, on_event=named(shop, name))
    return entry, read_predictions(entry.path / "predictions.parquet")
