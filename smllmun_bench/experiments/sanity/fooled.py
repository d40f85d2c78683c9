"""Every planted model through every composite, and which composite it fools."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from smllmun_bench.experiments.sanity.evidence import Evidence, evidence
from smllmun_bench.experiments.sanity.planted import GENUINE, PLANTED
from smllmun_bench.metrics import composites
from smllmun_bench.schema import Item, Prediction
from smllmun_bench.scoring.columns import MEMORY
from smllmun_bench.scoring.items import TaskMetrics
from smllmun_bench.scoring.summary import overall


@dataclass(frozen=True, slots=True)
class References:
    """What composites hold a model against, and the memory columns with something to forget (`gate.Gate`)."""

    target: Evidence
    gold: Evidence
    memory: Collection[str]


Composite = Callable[[Evidence, References], float | None]


def _smllmun(model: Evidence, references: References) -> float | None:
    paper = model.summary.composites
    return composites.smllmun(paper.overall_understanding, paper.overall_memory, paper.overall_meaningful)


COMPOSITES: Mapping[str, Composite] = MappingProxyType(
    {
        "MLLMU-Bench": lambda model, _: composites.mllmu(model.forget, model.retain),
        "CLEAR": lambda model, of: composites.clear(model.forget, model.retain, of.gold.forget, model.general),
        "UMU-Bench": lambda model, _: composites.umu(model.forget, model.retain),
        "FIUBench": lambda model, of: composites.fiu(model.forget, model.retain, of.gold.forget, model.general),
        "Open-MMunlearning": lambda model, _: composites.open_mm(model.modalities, model.general),
        "S-MLLMUn paper": _smllmun,
        "ours": lambda model, of: overall(
            model.summary.vector, of.target.summary.vector, of.gold.summary.vector, memory=of.memory
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One model under one composite. `fooled`: None for a genuine model, or where the score is undefined."""

    model: str
    genuine: bool
    composite: str
    score: float | None
    fooled: bool | None


def sanity(
    items: Sequence[Item],
    target: Sequence[Prediction],
    gold: Sequence[Prediction],
    metrics: TaskMetrics,
    *,
    memory: Collection[str] = MEMORY,
) -> list[Outcome]:
    """Genuine models first, then planted ones; composites in the order of COMPOSITES.

    A composite is *fooled* by a planted model that scores at least as high as the least of the models that truly forget
    and keep (`planted.GENUINE`, gold among them). Raises UserError as `scoring.score_items`.
    """
    answers, ideal = ({p.item_id: p for p in predictions} for predictions in (target, gold))
    wanted = {item.item_id for item in items}
    score = [evidence(items, [p for p in part if p.item_id in wanted], metrics) for part in (target, gold)]
    references = References(target=score[0], gold=score[1], memory=memory)
    models = {
        name: evidence(items, plant(items, answers, ideal), metrics) for name, plant in {**GENUINE, **PLANTED}.items()
    }
    found: list[Outcome] = []
    for composite, of in COMPOSITES.items():
        scores = {name: of(model, references) for name, model in models.items()}
        honest = [value for name in GENUINE if (value := scores[name]) is not None]
        for name, value in scores.items():
            judged = name in PLANTED and value is not None and len(honest) == len(GENUINE)
            fooled = value >= min(honest) if judged and value is not None else None
            found.append(Outcome(name, name in GENUINE, composite, value, fooled))
    return found
