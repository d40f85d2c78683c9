"""The stages of a run. Each is a request (what it depends on) and a function that fills a folder.

    pretrain -> memorise (target, gold) -> adapter, unlearn -> predict

Where a language model of somebody else is in a model, what was trained here is kept apart from it, small enough to
ship, and whole models are put together when they are needed:

    align -> join (base), learn -> merge (target, gold)

A version goes up by hand when a stage would give something else for the same request.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from smllmun_bench.config import Frozen
from smllmun_bench.data.combined import TaskData
from smllmun_bench.data.refusals import refusal_pool
from smllmun_bench.data.source import Split
from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import Method, MethodConfig, UnlearningData
from smllmun_bench.pipeline import cards
from smllmun_bench.pipeline.aligning import AlignRecipe
from smllmun_bench.pipeline.canonical import HashMemo, digest
from smllmun_bench.pipeline.cards import ModelCard
from smllmun_bench.pipeline.language import language_digest, language_folder
from smllmun_bench.pipeline.models import Loader, ModelRef, reference
from smllmun_bench.pipeline.predict import limited, predict, question_of
from smllmun_bench.pipeline.pretraining import PretrainRecipe
from smllmun_bench.pipeline.serving import Backend, answering, backend_of
from smllmun_bench.pipeline.store import Entry, Request, StageEvent, Store
from smllmun_bench.schema import Fold, Item, Prediction, Role
from smllmun_bench.tasks import TaskSpec
from smllmun_bench.training import parallel

if TYPE_CHECKING:
    from smllmun_bench.methods.artifact import Artifact

VERSIONS = {
    "pretrain": 2, "align": 2, "join": 1, "memorise": 1, "learn": 1, "merge": 1,
    "adapter": 1, "unlearn": 1, "predict": 2, "stop": 1,
}  # fmt: skip
KEPT = "float16"  # of what is shipped, and of models that are put together from it
MEMORY = (Role.FORGET, Role.RETAIN)

Watch = Callable[[str, int], Any]
"""Opens a progress bar: (what is going on, steps) -> a context manager that gives `advance(n, **figures)`."""


def no_watch(what: str, total: int) -> Any:
    return nullcontext(lambda n=1, **figures: None)


@dataclass(frozen=True, slots=True)
class Workshop:
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

    def numerics(self) -> dict[str, str]:
        launched = {"processes": str(parallel.size())} if parallel.size() > 1 else {}  # gradients add up otherwise
        return {"device": self.loader.device.split(":")[0], "dtype": self.loader.dtype} | launched


class Bar:
    """A `Progress` of the training loop that moves one of our bars."""

    def __init__(self, advance: Callable[..., None]) -> None:
        self._advance = advance

    def step(self, done: int, total: int, figures: Any) -> None:
        self._advance(1, **figures)


# -- models ------------------------------------------------------------------------------------------------------------


def base(shop: Workshop) -> ModelRef:
    """The model that never saw a profile."""
    card = shop.card
    if card.path is not None:
        return reference(card.path, HashMemo())
    if card.align is not None:
        return _joined(shop, card.align)
    if card.pretrain is None:
        raise UserError(
            f"the model {card.name!r} has neither a path nor a recipe", fix="path:, pretrain: or align: in its card"
        )
    recipe = card.pretrain

    def make(folder: Path) -> None:
        from smllmun_bench.pipeline.pretrain import pretrain

        with shop.watch("pretraining the base", recipe.tower.steps + recipe.training.steps) as advance:
            pretrain(folder, recipe, Bar(advance))

    return _model(shop.store.get_or_make(pretrain_request(recipe), make, on_event=shop.on_event))


def pretrain_request(recipe: PretrainRecipe) -> Request:
    return Request("pretrain", VERSIONS["pretrain"], {"recipe": recipe.model_dump(mode="json")})


def _joined(shop: Workshop, recipe: AlignRecipe) -> ModelRef:
    """A language model with eyes and what the joint has learnt, identified by these three."""
    language, eyes, parts = _parts(shop, recipe)
    learnt = Request("align", VERSIONS["align"], {**parts, "recipe": recipe.model_dump(mode="json"), **shop.numerics()})

    def learn(folder: Path) -> None:
        from smllmun_bench.models.memory import explained
        from smllmun_bench.pipeline.align import align

        with (
            TemporaryDirectory() as scratch,
            shop.watch("aligning the base", recipe.spelling.steps + recipe.training.steps) as advance,
            explained("aligning"),
        ):
            change = align(language, eyes, recipe, Path(scratch), Bar(advance))
        change.rounded(KEPT).save(folder)

    change = shop.store.get_or_make(learnt, learn, on_event=shop.on_event)

    def put_together(folder: Path) -> None:
        from smllmun_bench.models.joining import join

        with TemporaryDirectory() as scratch:
            join(language, eyes, Path(scratch))
            _merged(shop, ModelRef(scratch, ""), change, folder)

    made = Request("join", VERSIONS["join"], {**parts, "change": change_digest(change)})
    return _put_together(shop.store.get_or_make(made, put_together, on_event=shop.on_event), change)


def original(shop: Workshop) -> ModelRef | None:
    """The language model before it learnt anything, with eyes that say nothing to it; None for other models."""
    if shop.card.align is None:
        return None
    language, eyes, parts = _parts(shop, shop.card.align)

    def put_together(folder: Path) -> None:
        from smllmun_bench.models.joining import join

        join(language, eyes, folder)

    made = Request("join", VERSIONS["join"], {**parts, "change": None})
    return _put_together(shop.store.get_or_make(made, put_together, on_event=shop.on_event), None)


def _parts(shop: Workshop, recipe: AlignRecipe) -> tuple[Path, Path, dict[str, str]]:
    """Folders of the language model and of the model that lends its eyes, and what identifies the two."""
    language = language_folder(shop.store.root, recipe.language)
    eyes = base(replace(shop, card=cards.load(recipe.eyes)))
    return language, Path(eyes.path), {"language": language_digest(language), "eyes": eyes.digest}


def _merged(shop: Workshop, start: ModelRef, change: Entry, folder: Path) -> None:
    from smllmun_bench.methods.artifact import Artifact
    from smllmun_bench.models.folder import save

    vlm = shop.loader.in_float32(start)
    with Artifact.load(change.path).mounted(vlm):
        save(vlm.model, vlm.processor, folder, dtype=KEPT)


def _put_together(entry: Entry, change: Entry | None) -> ModelRef:
    """Identified by what it is made of: the sum itself may be rounded in another way on another machine."""
    return ModelRef(str(entry.path), entry.key, change.path if change is not None else None)


def target(shop: Workshop) -> ModelRef:
    """The base after memorising every member."""
    if shop.card.target is not None:
        return reference(shop.card.target, HashMemo())
    return _memorise(shop, base(shop), Split.MEMORISE_ALL, "target")


def gold(shop: Workshop) -> ModelRef | None:
    """The base after memorising the retained members only; None where there is no such model.

    In the validation fold gold is trained without the validation people, so it is made only when asked for.
    """
    if shop.card.gold is not None:
        return reference(shop.card.gold, HashMemo())
    if shop.card.target is not None:
        return None  # whoever brings a target of their own has to bring its gold too
    return _memorise(shop, base(shop), Split.MEMORISE_RETAIN, "gold")


def _memorise(shop: Workshop, start: ModelRef, split: Split, name: str) -> ModelRef:
    recipe = shop.card.memorise
    apart = shop.card.align is not None
    stage = "learn" if apart else "memorise"
    request = Request(
        stage,
        VERSIONS[stage],
        {
            "base": start.digest,
            "data": shop.data.training_digest(split, shop.fold),
            "general": shop.data.general.digest if shop.data.general is not None else None,
            **({"language": shop.data.language.digest} if shop.data.language is not None else {}),
            "recipe": recipe.model_dump(mode="json"),
            **shop.numerics(),
        },
    )

    def make(folder: Path) -> None:
        from smllmun_bench.models.folder import save
        from smllmun_bench.models.memory import explained
        from smllmun_bench.pipeline.memorise import memorise

        with shop.watch(f"memorising ({name})", recipe.steps) as advance, explained("memorising"):
            vlm = shop.loader.get(start)
            change = memorise(vlm, shop.data, split, shop.fold, recipe, Bar(advance))
        if apart:
            change.rounded(KEPT).save(folder)
            return
        with change.mounted(vlm):
            save(vlm.model, vlm.processor, folder, dtype=recipe.stored_dtype)

    entry = shop.store.get_or_make(request, make, on_event=_named(shop, name))
    if not apart:
        return _model(entry)
    merged = Request("merge", VERSIONS["merge"], {"model": start.digest, "change": change_digest(entry)})
    whole = shop.store.get_or_make(
        merged, lambda folder: _merged(shop, start, entry, folder), on_event=_named(shop, name)
    )
    return _put_together(whole, entry)


def _model(entry: Entry) -> ModelRef:
    return ModelRef(str(entry.path), entry.digest, entry.path)


# -- unlearning --------------------------------------------------------------------------------------------------------


def unlearn(shop: Workshop, start: ModelRef, method: Method[Any], config: MethodConfig, seed: int) -> Entry:
    """One method, one configuration, one seed: an artifact."""
    from smllmun_bench.pipeline.stopping import StopAt, matched

    inputs = unlearn_inputs(shop, start, method, config, seed)
    stop = matched(shop, start, method, config, seed) if config.training.stop.rule == "matched" else None
    if stop is not None:
        inputs |= {"stop_at": stop.step}

    def make(folder: Path) -> None:
        from smllmun_bench.models.memory import explained

        steps = config.training.steps
        what = f"unlearning with {method.name}, seed {seed}"
        with shop.watch(what, steps) as advance, explained(what):
            vlm = shop.loader.get(start)
            data = unlearning_data(shop, start, seed, stop.step if stop is not None else None)
            progress = Bar(advance) if stop is None else StopAt(Bar(advance), stop.step)
            artifact = method.fit(vlm, data, config, progress)
        if stop is not None:
            told = {"stopped_at": float(stop.step), "matched_forgetting": float(stop.reached)}
            artifact = replace(artifact, figures={**artifact.figures, **told})
        artifact.for_base(start.digest).save(folder)

    request = Request("unlearn", VERSIONS["unlearn"], inputs)
    return shop.store.get_or_make(request, make, on_event=_named(shop, f"{method.name}, seed {seed}"))


def unlearn_inputs(
    shop: Workshop, start: ModelRef, method: Method[Any], config: MethodConfig, seed: int
) -> dict[str, Any]:
    """Everything that one artifact depends on."""
    return {
        "target": start.digest,
        "method": method.name,
        "config": config.model_dump(mode="json"),
        "seed": seed,
        **_given(shop),
    }


def _given(shop: Workshop) -> dict[str, Any]:
    """What every method is given, identified."""
    return {
        "forget": shop.data.training_digest(Split.FORGET_TRAIN, shop.fold),
        "retain": shop.data.training_digest(Split.RETAIN_TRAIN, shop.fold),
        "refusals": digest(list(refusal_pool())),
        **shop.numerics(),
    }


def unlearning_data(shop: Workshop, start: ModelRef, seed: int, stop_at: int | None = None) -> UnlearningData:
    """What a method is given. What it keeps for others depends on where it stops, if that is not in its settings."""
    stop = {"stop_at": stop_at} if stop_at is not None else {}

    def reuse(name: str, inputs: Frozen, make: Callable[[], "Artifact"]) -> "Artifact":
        from smllmun_bench.methods.artifact import Artifact

        request = Request(
            "adapter",
            VERSIONS["adapter"],
            {"name": name, "target": start.digest, "inputs": inputs.model_dump(mode="json"), **stop, **_given(shop)},
        )
        return Artifact.load(shop.store.get_or_make(request, lambda folder: make().save(folder)).path)

    return UnlearningData(
        shop.data.training(Split.FORGET_TRAIN, shop.fold),
        shop.data.training(Split.RETAIN_TRAIN, shop.fold),
        refusal_pool(),
        seed,
        reuse,
    )


def change_digest(artifact: Entry) -> str:
    """What an artifact changes, identified by its tensors alone: its cost lies beside them and differs each time."""
    return artifact.manifest.outputs["artifact.safetensors"].sha256


# -- asking ------------------------------------------------------------------------------------------------------------


def questions(shop: Workshop) -> list[Item]:
    return limited(shop.data.evaluation(shop.fold), shop.limit)


def ask(shop: Workshop, model: ModelRef, artifact: Entry | None, name: str) -> tuple[Entry, list[Prediction]]:
    """The predictions of a model, with an artifact mounted or without."""
    from smllmun_bench.pipeline.records import read_predictions, write_predictions

    items = questions(shop)
    prompts = [question_of(item, shop.task) for item in items]
    inputs = {
        "model": model.digest,
        "artifact": change_digest(artifact) if artifact is not None else None,
        "items": shop.data.evaluation_digest(items),
        "prompts": digest(prompts),
        "generation": shop.task.generation.model_dump(mode="json"),
        "choice": shop.task.choice.model_dump(mode="json") if shop.task.choice is not None else None,
        **shop.numerics(),
        # Rounding depends on the shapes of batches in half precision; in float32 the texts do not.
        "batch_size": shop.batch_size if shop.loader.dtype != "float32" else None,
    }
    backend = backend_of(shop.backend, artifact)
    if backend != "transformers":
        inputs["backend"] = backend
    request = Request("predict", VERSIONS["predict"], inputs)

    def make(folder: Path) -> None:
        most = max((len(item.images) for item in items), default=0)
        with (
            shop.watch(f"asking {name}", len(items)) as advance,
            answering(shop.loader, model, artifact, backend, most) as vlm,
        ):
            rows = parallel.divided(
                lambda part: predict(
                    vlm, part, shop.task, run_id=request.key, batch_size=shop.batch_size, on_done=advance
                ),
                items,
            )
        write_predictions(folder / "predictions.parquet", rows)

    entry = shop.store.get_or_make(request, make, on_event=_named(shop, name))
    return entry, read_predictions(entry.path / "predictions.parquet")


def _named(shop: Workshop, name: str) -> Callable[[StageEvent], None]:
    return lambda event: shop.on_event(replace(event, stage=f"{event.stage} {name}"))
