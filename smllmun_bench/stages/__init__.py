"""The stages of a run. Each is a request (what it depends on) and a function that fills a folder.

    pretrain (base) -> memorise (target, gold) -> adapter, unlearn -> predict

Where a language model of somebody else is in a model, what was trained here is kept apart from it, small enough to
ship, and whole models are put together when they are needed:

    align -> join (base), learn -> merge (target, gold)

Versions (`context.VERSIONS`) go up by hand when a stage would give something else for the same request.
"""

from smllmun_bench.stages.attacking import Attacked, AttackSetup, Subject, attack, attack_data
from smllmun_bench.stages.building import References, base, gold, original, references, target
from smllmun_bench.stages.context import VERSIONS, Bar, RunContext, change_digest
from smllmun_bench.stages.predicting import Predicted, Questions, predict, questions
from smllmun_bench.stages.unlearning import unlearn
from smllmun_bench.stages.unlearning_inputs import check_needs, unlearn_inputs, unlearning_data

__all__ = [
    "VERSIONS",
    "AttackSetup",
    "Attacked",
    "Bar",
    "Predicted",
    "Questions",
    "References",
    "RunContext",
    "Subject",
    "attack",
    "attack_data",
    "base",
    "change_digest",
    "check_needs",
    "gold",
    "original",
    "predict",
    "questions",
    "references",
    "target",
    "unlearn",
    "unlearn_inputs",
    "unlearning_data",
]
