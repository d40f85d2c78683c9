"""Asking: the predictions of a model, as a stage, and of a list of items."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from smllmun_bench.errors import UserError
from smllmun_bench.schema import Item, Kind, Modality, Prediction
from smllmun_bench.tasks import TaskSpec

if TYPE_CHECKING:
    from smllmun_bench.models.answering import Answerer
from pathlib import Path

from smllmun_bench import runtime
from smllmun_bench.stages.backends import answering, backend_of
from smllmun_bench.stages.context import VERSIONS, RunContext, change_digest, named
from smllmun_bench.stages.loader import ModelRef
from smllmun_bench.store.hashing import digest
from smllmun_bench.store.store import Request, StoredStage

BATCHING = 2  # goes up when batches of the same size get other shapes


def questions(context: RunContext) -> list[Item]:
    return limited(context.data.evaluation(context.fold), context.limit)


def predict(
    context: RunContext, model: ModelRef, artifact: StoredStage | None, name: str
) -> tuple[StoredStage, list[Prediction]]:
    """The predictions of a model, with an artifact mounted or without."""
    from smllmun_bench.results.predictions import read_predictions, write_predictions

    items = questions(context)
    prompts = [question_of(item, context.task) for item in items]
    inputs = {
        "model": model.digest,
        "artifact": change_digest(artifact) if artifact is not None else None,
        "items": context.data.evaluation_digest(items),
        "prompts": digest(prompts),
        "generation": context.task.generation.model_dump(mode="json"),
        "choice": context.task.choice.model_dump(mode="json") if context.task.choice is not None else None,
        **context.numerics(context.asking),
        # Rounding depends on the shapes of batches in half precision; in float32 the texts do not.
        "batch_size": context.batch_size if context.asking.dtype != "float32" else None,
    }
    backend = backend_of(context.backend, artifact)
    if backend != "transformers":
        inputs["backend"] = backend
    elif context.asking.dtype != "float32":
        inputs["batching"] = BATCHING
    request = Request("predict", VERSIONS["predict"], inputs)

    def make(folder: Path) -> None:
        most = max((len(item.images) for item in items), default=0)
        with (
            context.watch(f"asking {name}", len(items)) as advance,
            answering(context.asking, model, artifact, backend, most) as vlm,
        ):
            rows = runtime.divided(
                lambda part: predict_items(
                    vlm, part, context.task, run_id=request.key, batch_size=context.batch_size, on_done=advance
                ),
                items,
            )
        write_predictions(folder / "predictions.parquet", rows)

    entry = context.store.get_or_make(request, make, on_event=named(context, name))
    return entry, read_predictions(entry.path / "predictions.parquet")


AUTO_BATCH = 256
"""Where an automatic batch size starts; what does not fit into memory is halved, whatever size was asked for."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def question_of(item: Item, task: TaskSpec) -> str:
    """What the model is asked: the question, with its options below it where the task lists them."""
    if item.kind is Kind.CHOICE and task.choice is not None and task.choice.listed:
        options = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, item.choices, strict=False))
        return f"{item.question}\n{options}\nAnswer with the letter."
    return item.question


def predict_items(
    vlm: "Answerer",
    items: Sequence[Item],
    task: TaskSpec,
    *,
    run_id: str,
    batch_size: int,
    on_done: Callable[[int], None] = lambda n: None,
) -> list[Prediction]:
    """One prediction per item, in the order of the items.

    Choices that are answered by log-probability are weighed, not generated, and so are passages: these get the
    log-probabilities of their tokens without EOS, for the text goes on in its book. Open memory questions get the
    log-probabilities of their true answer and, per token, of their perturbed answers too.
    """
    from smllmun_bench.models.vlm import Query

    weighed = [
        item
        for item in items
        if item.kind is Kind.CHOICE and task.choice is not None and task.choice.answer == "logprob"
    ]
    passages = [item for item in items if item.kind is Kind.PASSAGE]
    apart = {item.item_id for item in (*weighed, *passages)}
    spoken = [item for item in items if item.item_id not in apart]
    known = [item for item in spoken if item.kind is Kind.OPEN and item.perturbed_answers]

    def query(item: Item) -> Query:
        return Query(question_of(item, task), item.images)

    generated = vlm.generate(
        [query(item) for item in spoken],
        max_new_tokens=task.generation.max_new_tokens,
        batch_size=batch_size,
        on_done=on_done,
    )
    pairs = [(query(item), option) for item in weighed for option in _options(item, task)]
    pairs += [(query(item), answer) for item in known for answer in (item.answer, *item.perturbed_answers)]
    pairs += [(query(item), item.answer) for item in passages]
    rows = vlm.answer_logprobs(pairs) if pairs else []
    on_done(len(apart))
    options: dict[str, tuple[float, ...]] = {}
    at = 0
    for item in weighed:
        options[item.item_id] = tuple(sum(row) for row in rows[at : at + len(item.choices)])
        at += len(item.choices)
    answers: dict[str, tuple[float, ...]] = {}
    perturbed: dict[str, tuple[float, ...]] = {}
    for item in known:
        answers[item.item_id], *wrong = rows[at : at + 1 + len(item.perturbed_answers)]
        perturbed[item.item_id] = tuple(sum(row) / len(row) for row in wrong)
        at += 1 + len(item.perturbed_answers)
    for item, row in zip(passages, rows[at:], strict=True):
        answers[item.item_id] = row[:-1]
    spoken_by_id = {item.item_id: answer for item, answer in zip(spoken, generated, strict=True)}
    return [
        Prediction(
            item.item_id,
            run_id,
            "",
            finish_reason="none",
            option_logprobs=options.get(item.item_id),
            answer_logprobs=answers.get(item.item_id),
        )
        if item.item_id in apart
        else Prediction(
            item.item_id,
            run_id,
            spoken_by_id[item.item_id].text,
            finish_reason=spoken_by_id[item.item_id].finish_reason,
            answer_logprobs=answers.get(item.item_id),
            perturbed_logprobs=perturbed.get(item.item_id),
        )
        for item in items
    ]


def _options(item: Item, task: TaskSpec) -> Sequence[str]:
    assert task.choice is not None
    return LETTERS[: len(item.choices)] if task.choice.listed else item.choices


def limited(items: Sequence[Item], limit: float | None) -> list[Item]:
    """The first `limit` items of every role and modality, and as many passages (a share below 1). None: all."""
    if limit is None:
        return list(items)
    if limit <= 0:
        raise UserError(
            f"cannot limit to {limit:g} items", where="--limit", fix="a number of items, or a share below 1"
        )
    groups: dict[tuple[str, Modality, bool], list[Item]] = {}
    for item in items:
        groups.setdefault((item.role, item.modality, item.kind is Kind.PASSAGE), []).append(item)
    kept = {
        item.item_id
        for group in groups.values()
        for item in group[: max(1, round(limit * len(group))) if limit < 1 else int(limit)]
    }
    return [item for item in items if item.item_id in kept]
