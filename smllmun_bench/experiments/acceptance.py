"""Are shipped models what the documentation says? Figures of base, target and gold, and the criteria they meet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from smllmun_bench.data.rows import Row, RowSource, Use, requested
from smllmun_bench.data.seeding import stable_int
from smllmun_bench.errors import UserError
from smllmun_bench.metrics.match import exact
from smllmun_bench.metrics.statistics import macro
from smllmun_bench.schema import Fold, Item, Kind, Modality, Prediction, Role
from smllmun_bench.scoring.items import score_items
from smllmun_bench.stages import RunContext
from smllmun_bench.stages.predicting import predict_items, query_of

FIGURES = ("memory_image", "memory_text", "understanding", "general", "forget", "language")
UNDERSTANDING_SAMPLE = 400

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Criterion:
    """`model` has a `figure` of at least (or at most) `bound`; with `over`, `bound` is added to that model's figure."""

    model: str
    figure: str
    bound: float
    at_most: bool = False
    over: str = ""

    def limit(self, figures: Mapping[str, Figures]) -> float:
        return self.bound + (figures[self.over][self.figure] if self.over else 0.0)

    def met(self, figures: Mapping[str, Figures]) -> bool:
        value, limit = figures[self.model][self.figure], self.limit(figures)
        return value <= limit if self.at_most else value >= limit

    def words(self) -> str:
        bound = f"{self.bound:+.2f} to {self.over}" if self.over else f"{self.bound:.2f}"
        return f"{self.model} {self.figure} {'≤' if self.at_most else '≥'} {bound}"


CRITERIA: Mapping[str, tuple[Criterion, ...]] = {
    "toy": (
        Criterion("target", "memory_image", 0.95),
        Criterion("target", "memory_text", 0.95),
        Criterion("target", "understanding", 0.90),
        Criterion("target", "general", 0.75),
        Criterion("target", "general", -0.05, over="base"),
        Criterion("gold", "forget", 0.10, at_most=True, over="base"),
    ),
    "small": (
        Criterion("target", "memory_image", 0.90),
        Criterion("target", "memory_text", 0.95),
        Criterion("target", "general", 0.75),
        Criterion("gold", "forget", 0.10, at_most=True, over="base"),
        Criterion("base", "language", -0.05, over="original"),
    ),
}
"""By model card; other models have no criteria."""


@dataclass(frozen=True, slots=True)
class FigureItems:
    """What the figures are taken from.

    `memory`: every open memory question about every member, image questions on photos that nobody was trained on.
    `forgotten`: ids of the members whom gold never saw. `understanding`: a fixed sample over all members.
    """

    memory: tuple[Item, ...]
    forgotten: frozenset[str]
    understanding: tuple[Item, ...]
    general: tuple[Item, ...]
    language: tuple[Item, ...]

    @property
    def count(self) -> int:
        return sum(map(len, (self.memory, self.understanding, self.general, self.language)))


def figure_items(context: RunContext, forget_percent: int) -> FigureItems:
    """Raises UserError for a task whose data does not say who its members are."""
    source = context.data.benchmark
    if not isinstance(source, RowSource) or context.data.general is None:
        raise UserError(f"task {context.task.name!r} has no members or no general part to take the figures from")
    rows = [row for row in source.rows if row.use is Use.EVALUATE and row.fold != "nonmember"]
    beside = context.data.evaluation(Fold.TEST)
    seeing = sorted(_of(rows, Role.UNDERSTANDING_RETAIN), key=lambda item: stable_int("toy", item.item_id))
    return FigureItems(
        tuple(item for item in _of(rows, Role.RETAIN) if item.kind is Kind.OPEN),
        requested(source.rows, Fold.TEST, forget_percent),
        tuple(seeing[:UNDERSTANDING_SAMPLE]),
        tuple(item for item in beside if item.role is Role.GENERAL),
        tuple(item for item in beside if item.role is Role.LANGUAGE and item.kind is not Kind.PASSAGE),
    )


def measure(
    context: RunContext, path: str, items: FigureItems, *, on_done: Callable[[int], None] = lambda n: None
) -> Figures:
    """All figures of the model in the folder `path`, each in [0, 1].

    Memory and forget: share of answers that are exactly right. Understanding, general and, where the task asks it,
    language: the task's headline metric, averaged by identity.
    """
    from smllmun_bench.models.loading import load

    vlm = load(path, context.data, device=context.loader.device, dtype=context.loader.dtype)
    answers = vlm.generate(
        [query_of(item, context.task) for item in items.memory],
        max_new_tokens=context.task.generation.max_new_tokens,
        batch_size=context.batch_size,
        on_done=on_done,
    )
    right = [exact(answer.text, (i.answer, *i.accepted)) for i, answer in zip(items.memory, answers, strict=True)]
    pairs = list(zip(items.memory, right, strict=True))
    rest = [*items.understanding, *items.general, *items.language]
    predictions = predict_items(vlm, rest, context.task, run_id=path, batch_size=context.batch_size, on_done=on_done)
    figures = {
        "memory_image": fmean([value for item, value in pairs if item.modality is Modality.IMAGE_TEXT]),
        "memory_text": fmean([value for item, value in pairs if item.modality is Modality.TEXT]),
        "understanding": _headline(context, items.understanding, predictions),
        "general": _headline(context, items.general, predictions),
        "forget": fmean([value for item, value in pairs if item.entity_id in items.forgotten]),
    }
    return figures | ({"language": _headline(context, items.language, predictions)} if items.language else {})


def measure_original(
    context: RunContext, path: str, items: FigureItems, *, on_done: Callable[[int], None] = lambda n: None
) -> Figures:
    """What the language model in the folder `path` could say before it learnt anything: its `language` alone."""
    from smllmun_bench.models.loading import load

    vlm = load(path, context.data, device=context.loader.device, dtype=context.loader.dtype)
    predictions = predict_items(
        vlm, items.language, context.task, run_id=path, batch_size=context.batch_size, on_done=on_done
    )
    return {"language": _headline(context, items.language, predictions)}


def missed(figures: Mapping[str, Figures], criteria: Sequence[Criterion]) -> list[Criterion]:
    """The criteria that the figures do not meet."""
    return [criterion for criterion in criteria if not criterion.met(figures)]


def _of(rows: Sequence[Row], role: Role) -> list[Item]:
    return [row.item for row in rows if row.item.role is role]


def _headline(context: RunContext, items: Sequence[Item], predictions: Sequence[Prediction]) -> float:
    known = {item.item_id for item in items}
    scores = score_items(items, [p for p in predictions if p.item_id in known], context.task.metrics)
    return macro([s.headline for s in scores], [s.entity_id or f"item {s.item_id}" for s in scores])
