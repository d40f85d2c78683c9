"""Predicting: what every model of a run is asked, and the predictions of a model as a stage and of a list of items."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from smllmun_bench import runtime
from smllmun_bench.errors import Notice, UserError
from smllmun_bench.models.answering import Draw, Query
from smllmun_bench.results.predictions import PREDICTIONS, read_predictions, write_predictions
from smllmun_bench.schema import Item, Kind, Modality, Prediction
from smllmun_bench.stages.backends import answering, backend_of
from smllmun_bench.stages.context import VERSIONS, RunContext, change_digest, named
from smllmun_bench.stages.loader import ModelRef
from smllmun_bench.store.hashing import digest
from smllmun_bench.store.store import Request, StoredStage
from smllmun_bench.tasks import TaskSpec

if TYPE_CHECKING:
    from smllmun_bench.models.answering import Answerer

BATCHING = 2  # goes up when batches of the same size get other shapes
AUTO_BATCH = 256
"""Where an automatic batch size starts; what does not fit into memory is halved, whatever size was asked for."""


# -- questions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Questions:
    """What every model of a run is asked: selected, put into words and identified once."""

    items: tuple[Item, ...]
    digest: str  # of the items and of the images that they may show
    prompts: str  # of the words in which they are put


def questions(context: RunContext) -> Questions:
    """Those of the context's fold, as far as its limit lets them."""
    return identified(context, limited(context.data.evaluation(context.fold), context.limit))


def identified(context: RunContext, items: Sequence[Item]) -> Questions:
    """`items` as questions of the context's task."""
    prompts = digest([question_of(item, context.task) for item in items])
    return Questions(tuple(items), context.data.evaluation_digest(items), prompts)


def check_limit(limit: float | None) -> None:
    """Raises UserError unless it is none, a whole number of items, or a share of up to .99: more of it would be
    all of most sets, under another name."""
    if limit is None:
        return
    if not 0 < limit < math.inf or (limit >= 1 and limit != int(limit)) or 0.99 < limit < 1:
        said = repr(limit) if limit < 1 else f"{limit:g}"
        raise UserError(f"cannot limit to {said} items", where="--limit", fix="a number of items, or a share up to .99")


def limited(items: Sequence[Item], limit: float | None) -> list[Item]:
    """The first `limit` items of every role and modality, and as many passages (a share below 1). None: all."""
    check_limit(limit)
    if limit is None:
        return list(items)
    groups: dict[tuple[str, Modality, bool], list[Item]] = {}
    for item in items:
        groups.setdefault((item.role, item.modality, item.kind is Kind.PASSAGE), []).append(item)
    kept = {
        item.item_id
        for group in groups.values()
        for item in group[: max(1, round(limit * len(group))) if limit < 1 else int(limit)]
    }
    return [item for item in items if item.item_id in kept]


def question_of(item: Item, task: TaskSpec) -> str:
    """What the model is asked: the question, with its options below it where the task lists them."""
    if item.kind is Kind.CHOICE and task.choice is not None and task.choice.listed:
        options = "\n".join(f"{letter}. {option}" for letter, option in zip(_letters(item), item.choices, strict=True))
        return f"{item.question}\n{options}\nAnswer with the letter."
    return item.question


def query_of(item: Item, task: TaskSpec) -> Query:
    """The same with the images that it is about."""
    return Query(question_of(item, task), item.images)


# -- the stage -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Predicted:
    """The predictions of one model, one for each question and in their order, and where they are kept."""

    stored: StoredStage
    predictions: tuple[Prediction, ...]

    @property
    def file(self) -> Path:
        return self.stored.path / PREDICTIONS


def predict(
    context: RunContext, asked: Questions, model: ModelRef, artifact: StoredStage | None, name: str
) -> Predicted:
    """The predictions of a model, with an artifact mounted or without. What was made just now is not read again."""
    backend = backend_of(context.backend, artifact)
    made: list[Prediction] = []

    def make(folder: Path) -> None:
        most = max((len(item.images) for item in asked.items), default=0)
        with (
            context.watch(f"asking {name}", len(asked.items)) as advance,
            answering(context.asking, model, artifact, backend, most) as vlm,
        ):
            warn_of_length(vlm, asked.items, context.task)
            made.extend(
                runtime.divided(
                    lambda part: predict_items(
                        vlm, part, context.task, run_id=request.key, batch_size=context.batch_size, on_done=advance
                    ),
                    asked.items,
                )
            )
        write_predictions(folder / PREDICTIONS, made)

    request = Request("predict", VERSIONS["predict"], _inputs(context, asked, model, artifact, backend))
    stored = context.store.get_or_make(request, make, on_event=named(context, name))
    return Predicted(stored, tuple(made or read_predictions(stored.path / PREDICTIONS)))


def _inputs(
    context: RunContext, asked: Questions, model: ModelRef, artifact: StoredStage | None, backend: str
) -> Mapping[str, Any]:
    """Everything that predictions depend on."""
    rounded = context.asking.dtype != "float32"
    inputs = {
        "model": model.digest,
        "artifact": change_digest(artifact) if artifact is not None else None,
        "items": asked.digest,
        "prompts": asked.prompts,
        "generation": context.task.generation.model_dump(mode="json"),
        "choice": context.task.choice.model_dump(mode="json") if context.task.choice is not None else None,
        **context.numerics(context.asking),
        # Rounding depends on the shapes of batches in half precision; in float32 the texts do not.
        "batch_size": context.batch_size if rounded else None,
    }
    if backend != "transformers":
        inputs["backend"] = backend
    elif rounded:
        inputs["batching"] = BATCHING
    return inputs


# -- a list of items -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scored:
    """What an item's answers are worth to the model, as in `schema.Prediction`."""

    answer: tuple[float, ...] | None = None
    options: tuple[float, ...] | None = None
    perturbed: tuple[float, ...] | None = None


def predict_items(
    vlm: "Answerer",
    items: Sequence[Item],
    task: TaskSpec,
    *,
    run_id: str,
    batch_size: int,
    on_done: Callable[[int], None] = lambda n: None,
    prefills: Mapping[str, str] = MappingProxyType({}),
    draws: Mapping[str, Draw] = MappingProxyType({}),
) -> list[Prediction]:
    """One prediction per item, in the order of the items; `prefills` begins the answers to some and
    `draws` says how some are drawn, by item id.

    Choices that are answered by log-probability are scored teacher-forced, not generated, and so are passages: these
    get the log-probabilities of their tokens without EOS, for the text goes on in its book. Open memory questions get
    the log-probabilities of their true answer and, per token, of their perturbed answers too.
    """
    generated = [item for item in items if not scored_only(item, task)]
    generations = vlm.generate(
        [
            replace(query_of(item, task), prefill=prefills.get(item.item_id, ""), draw=draws.get(item.item_id))
            for item in generated
        ],
        max_new_tokens=task.generation.max_new_tokens,
        batch_size=batch_size,
        on_done=on_done,
    )
    by_id = {item.item_id: generation for item, generation in zip(generated, generations, strict=True)}
    scored = _teacher_forced(vlm, items, task)
    on_done(len(items) - len(generated))
    predictions = []
    for item in items:
        generation, scores = by_id.get(item.item_id), scored.get(item.item_id, _Scored())
        predictions.append(
            Prediction(
                item.item_id,
                run_id,
                generation.text if generation is not None else "",
                finish_reason=generation.finish_reason if generation is not None else "none",
                answer_logprobs=scores.answer,
                option_logprobs=scores.options,
                perturbed_logprobs=scores.perturbed,
            )
        )
    return predictions


def scored_only(item: Item, task: TaskSpec) -> bool:
    """Whether an item is answered by log-probabilities alone, and nothing is generated."""
    return item.kind is Kind.PASSAGE or _by_options(item, task)


def _by_options(item: Item, task: TaskSpec) -> bool:
    return item.kind is Kind.CHOICE and task.choice is not None and task.choice.answer == "logprob"


def warn_of_length(vlm: "Answerer", items: Sequence[Item], task: TaskSpec) -> None:
    """Say once which prompts, with the answers scored to them, are longer than the model has positions.

    They are asked all the same: a prompt with a picture in it cannot be shortened, and how a model fares beyond its
    positions is its own affair. What it says there is worth little.
    """
    room = vlm.positions
    if room is None:
        return
    tokens = {item.item_id: vlm.length(query_of(item, task)) for item in items if not scored_only(item, task)}
    for item, answers in _given_answers(items, task):
        tokens[item.item_id] = max(vlm.length(query_of(item, task), answer) for answer in answers)
    beyond = [name for name, length in tokens.items() if length > room]
    if beyond:
        longest = max(beyond, key=lambda name: tokens[name])
        warnings.warn(
            Notice(
                f"{len(beyond)} of {len(tokens)} prompts are longer than the model's {room} positions; the longest, "
                f"item {longest!r}, has {tokens[longest]} tokens. They are asked whole; answers beyond the positions "
                "are worth little"
            ),
            stacklevel=2,
        )


def _given_answers(items: Sequence[Item], task: TaskSpec) -> list[tuple[Item, Sequence[str]]]:
    """The items that have answers to score, and these."""
    options = [item for item in items if _by_options(item, task)]
    open_ones = [item for item in items if item.kind is Kind.OPEN and item.perturbed_answers]
    passages = [item for item in items if item.kind is Kind.PASSAGE]
    answers: list[tuple[Item, Sequence[str]]] = [(item, _options(item, task)) for item in options]
    answers += [(item, (item.answer, *item.perturbed_answers)) for item in open_ones]
    return answers + [(item, (item.answer,)) for item in passages]


def _teacher_forced(vlm: "Answerer", items: Sequence[Item], task: TaskSpec) -> dict[str, _Scored]:
    """Item id -> scores, of the items that have answers to score. All go through the model in one call."""
    answers = _given_answers(items, task)
    pairs = [(query_of(item, task), answer) for item, some in answers for answer in some]
    rows = iter(vlm.answer_logprobs(pairs) if pairs else [])
    scored: dict[str, _Scored] = {}
    for item, some in answers:
        found = [next(rows) for _ in some]
        if item.kind is Kind.CHOICE:
            scored[item.item_id] = _Scored(options=tuple(sum(row) for row in found))
        elif item.kind is Kind.PASSAGE:
            scored[item.item_id] = _Scored(answer=found[0][:-1])
        else:
            perturbed = tuple(sum(row) / len(row) for row in found[1:])
            scored[item.item_id] = _Scored(answer=found[0], perturbed=perturbed)
    return scored


def _options(item: Item, task: TaskSpec) -> Sequence[str]:
    assert task.choice is not None
    return _letters(item) if task.choice.listed else item.choices


def _letters(item: Item) -> str:
    """One letter for each choice. Raises UserError, naming the item, for more choices than letters."""
    if len(item.choices) > len(ascii_uppercase):
        raise UserError(
            f"{len(item.choices)} choices, and {len(ascii_uppercase)} letters to list them by",
            where=f"item {item.item_id!r}",
            fix="fewer choices, or a task with `choice: {listed: false}`",
        )
    return ascii_uppercase[: len(item.choices)]
