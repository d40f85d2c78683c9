"""The stages of a run. Each is a request (what it depends on) and a function that fills a folder.

    pretrain -> memorise (target, gold) -> adapter, unlearn -> predict

Where a language model of somebody else is in a model, what was trained here is kept apart from it, small enough to
ship, and whole models are put together when they are needed:

    align -> join (base), learn -> merge (target, gold)

Versions (`workshop.VERSIONS`) go up by hand when a stage would give something else for the same request.
"""

from smllmun_bench.pipeline.stages.asking import ask, questions
from smllmun_bench.pipeline.stages.building import base, gold, original, target
from smllmun_bench.pipeline.stages.unlearning import unlearn, unlearn_inputs, unlearning_data
from smllmun_bench.pipeline.stages.workshop import VERSIONS, Bar, Workshop, change_digest

__all__ = [
    "VERSIONS",
    "Bar",
    "Workshop",
    "ask",
    "base",
    "change_digest",
    "gold",
    "original",
    "questions",
    "target",
    "unlearn",
    "unlearn_inputs",
    "unlearning_data",
]
