"""Models: the base, what memorised everything, and gold, which never saw the forgotten."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from smllmun_bench.data.source import Split
from smllmun_bench.errors import UserError
from smllmun_bench.references.language_models import language_digest, language_folder
from smllmun_bench.references.recipes import AlignRecipe, MemoriseRecipe, PretrainRecipe
from smllmun_bench.stages import memorising, model_cards
from smllmun_bench.stages.context import VERSIONS, Bar, RunContext, StopAt, change_digest, named
from smllmun_bench.stages.loader import ModelRef, reference
from smllmun_bench.store.store import Action, Request, StageEvent, StoredStage
from smllmun_bench.training.config import Stop

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Progress


@dataclass(frozen=True, slots=True)
class References:
    """The models that every method is held against, made once for a run. No gold where there is no such model."""

    base: ModelRef
    target: ModelRef
    gold: ModelRef | None

    def named(self) -> dict[str, ModelRef]:
        """In the order of tables."""
        found = {"base": self.base, "target": self.target, "gold": self.gold}
        return {name: model for name, model in found.items() if model is not None}


KEPT = "float16"  # of what is shipped, and of models that are put together from it


def references(context: RunContext) -> References:
    """Base, target and gold."""
    start = base(context)
    return References(start, target(context, start), gold(context, start))


def base(context: RunContext) -> ModelRef:
    """The model that never saw a profile."""
    card = context.card
    if card.path is not None:
        return reference(card.path, context.store.memo)
    if card.align is not None:
        return _joined(context, card.align)
    if card.pretrain is None:
        raise UserError(
            f"the model {card.name!r} has neither a path nor a recipe", fix="path:, pretrain: or align: in its card"
        )
    recipe = card.pretrain

    def make(folder: Path) -> None:
        from smllmun_bench.references.pretrain import pretrain

        with context.watch("pretraining the base", recipe.tower.steps + recipe.training.steps) as advance:
            pretrain(folder, recipe, Bar(advance))

    return _model(context.store.get_or_make(pretrain_request(recipe), make, on_event=context.on_event))


def pretrain_request(recipe: PretrainRecipe) -> Request:
    return Request("pretrain", VERSIONS["pretrain"], {"recipe": recipe.model_dump(mode="json")})


def _joined(context: RunContext, recipe: AlignRecipe) -> ModelRef:
    """A language model with a vision tower and what the joint has learnt, identified by these three."""
    language, vision, parts = _parts(context, recipe)
    learnt = Request("align", VERSIONS["align"], {**parts, "recipe": recipe.model_dump(mode="json"), **context.built()})

    def learn(folder: Path) -> None:
        from smllmun_bench.models.memory import explained
        from smllmun_bench.references.align import align

        with (
            TemporaryDirectory() as scratch,
            context.watch("aligning the base", recipe.spelling.steps + recipe.training.steps) as advance,
            explained("aligning"),
        ):
            change = align(language, vision, recipe, Path(scratch), Bar(advance))
        change.rounded(KEPT).save(folder)

    change = context.store.get_or_make(learnt, learn, on_event=context.on_event)

    def put_together(folder: Path) -> None:
        from smllmun_bench.references.joining import join

        with TemporaryDirectory() as scratch:
            join(language, vision, Path(scratch))
            _merged(context, ModelRef(scratch, ""), change, folder)

    made = Request("join", VERSIONS["join"], {**parts, "change": change_digest(change)})
    return _put_together(context.store.get_or_make(made, put_together, on_event=context.on_event), change)


def original(context: RunContext) -> ModelRef | None:
    """The language model before it learnt anything, with a tower that says nothing to it; None for other models."""
    if context.card.align is None:
        return None
    language, vision, parts = _parts(context, context.card.align)

    def put_together(folder: Path) -> None:
        from smllmun_bench.references.joining import join

        join(language, vision, folder)

    made = Request("join", VERSIONS["join"], {**parts, "change": None})
    return _put_together(context.store.get_or_make(made, put_together, on_event=context.on_event), None)


def _parts(context: RunContext, recipe: AlignRecipe) -> tuple[Path, Path, dict[str, str]]:
    """Folders of the language model and of the model that lends its tower, and what identifies the two."""
    language = language_folder(context.store.root, recipe.language)
    vision = base(replace(context, card=model_cards.load(recipe.eyes)))
    return language, Path(vision.path), {"language": language_digest(language), "eyes": vision.digest}


def _merged(context: RunContext, start: ModelRef, change: StoredStage, folder: Path) -> None:
    vlm = context.loader.in_float32(start)
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.folder import save

    with Artifact.load(change.path).mounted(vlm):
        save(vlm.model, vlm.processor, folder, dtype=KEPT)


def _put_together(entry: StoredStage, change: StoredStage | None) -> ModelRef:
    """Identified by what it is made of: the sum itself may be rounded in another way on another machine."""
    return ModelRef(str(entry.path), entry.key, change.path if change is not None else None)


def target(context: RunContext, start: ModelRef | None = None) -> ModelRef:
    """The base (`start`, if it is at hand) after memorising every member."""
    if context.card.target is not None:
        return reference(context.card.target, context.store.memo)
    return _memorise(context, start or base(context), Split.MEMORISE_ALL, "target")


def gold(context: RunContext, start: ModelRef | None = None) -> ModelRef | None:
    """The base (`start`, if it is at hand) after memorising the retained members only; None where there is none.

    In the validation fold gold is trained without the validation people, so it is made only when asked for.
    """
    if context.card.gold is not None:
        return reference(context.card.gold, context.store.memo)
    if context.card.target is not None:
        return None  # whoever brings a target of their own has to bring its gold too
    return _memorise(context, start or base(context), Split.MEMORISE_RETAIN, "gold")


def _memorise(context: RunContext, start: ModelRef, split: Split, name: str) -> ModelRef:
    recipe = context.card.memorise
    apart = context.card.align is not None
    stage = "learn" if apart else "memorise"
    alike = _steps_of_target(context, start) if split is Split.MEMORISE_RETAIN and recipe.until is not None else None
    request = Request(
        stage,
        VERSIONS[stage],
        {
            "base": start.digest,
            "data": context.data.training_digest(split, context.fold),
            "general": context.data.general.digest if context.data.general is not None else None,
            **({"language": context.data.language.digest} if context.data.language is not None else {}),
            "recipe": recipe.model_dump(mode="json"),
            **context.built(),
            **({"steps": alike} if alike is not None else memorising.inputs(context, recipe.until)),
        },
    )

    def make(folder: Path) -> None:
        from smllmun_bench.models.folder import save
        from smllmun_bench.models.memory import explained

        steps = recipe.steps if alike is None else recipe.steps - recipe.training.steps + alike

        def announce(cost: str) -> None:
            context.on_event(StageEvent(f"memorise {name}", request.key, Action.ANNOUNCED, 0.0, cost))

        most = "at most " if recipe.until is not None and alike is None else ""
        announce(f"is trained first, {most}{steps} steps; kept for all later runs")
        with context.watch(f"memorising ({name})", steps) as advance, explained("memorising"):
            vlm = context.loader.at(context.built()["dtype"]).get(start)
            progress = memorising.Costed(Bar(advance), steps, announce)
            change = _learnt(context, vlm, split, recipe, progress, alike, folder)
        if apart:
            change.rounded(KEPT).save(folder)
            return
        with change.mounted(vlm):
            save(vlm.model, vlm.processor, folder, dtype=recipe.stored_dtype)

    entry = context.store.get_or_make(request, make, on_event=named(context, name))
    if not apart:
        return _model(entry)
    merged = Request("merge", VERSIONS["merge"], {"model": start.digest, "change": change_digest(entry)})
    whole = context.store.get_or_make(
        merged, lambda folder: _merged(context, start, entry, folder), on_event=named(context, name)
    )
    return _put_together(whole, entry)


def _learnt(
    context: RunContext,
    vlm: "Vlm",
    split: Split,
    recipe: MemoriseRecipe,
    progress: "Progress",
    alike: int | None,
    folder: Path,
) -> "Artifact":
    """What memorising changes: after all steps, after as many as the target's (`alike`), or when it is enough."""
    from smllmun_bench.references.memorise import memorise

    if recipe.until is None:
        return memorise(vlm, context.data, split, context.fold, recipe, progress)
    every = recipe.until.every
    checked = recipe.model_copy(
        update={"training": recipe.training.model_copy(update={"stop": Stop(rule="matched", every=every)})}
    )
    if alike is not None:
        return memorise(vlm, context.data, split, context.fold, checked, StopAt(progress, alike))
    questions = memorising.asked(context)
    watched = memorising.UntilMemorised(
        progress, lambda: memorising.scores(context, vlm, questions), recipe.until.at_least
    )
    change = memorise(vlm, context.data, split, context.fold, checked, watched)
    memorising.write(folder, watched, recipe.training.steps)
    return change


def _steps_of_target(context: RunContext, start: ModelRef) -> int:
    made = target(context, start).entry
    assert made is not None
    return memorising.read(made).step


def _model(entry: StoredStage) -> ModelRef:
    return ModelRef(str(entry.path), entry.digest, entry.path)
