"""The rules of general VQA sets by name, as metrics of one prediction: `…_official` is upstream's, `…_strict` ours.

Strict reads the whole reply by one ladder for all sets (`metrics.choice`), never guesses, and counts what it cannot
read as wrong. For soft accuracy `vqa_strict` normalises always; the challenge's script does it only in disagreement.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from smllmun_bench.errors import UserError
from smllmun_bench.metrics import match
from smllmun_bench.metrics.choice import Choice, parse_choice, parse_first_character, parse_yes_no, right_choices
from smllmun_bench.metrics.text import bare
from smllmun_bench.metrics.vqa import options, soft, written, yesno
from smllmun_bench.schema import Item, Kind, Prediction

Rule = Callable[[Item, Prediction], float | None]


def _by_option(parse: Callable[[str, Sequence[str]], Choice]) -> Rule:
    def rule(item: Item, prediction: Prediction) -> float | None:
        if not item.choices:
            return None
        right = right_choices(item.answer, item.choices)
        if not right:
            raise UserError(f"answer {item.answer!r} is none of the choices", where=f"item {item.item_id!r}")
        return float(parse(prediction.text, item.choices) in right)

    return rule


def _by_yes_no(parse: Callable[[str], yesno.YesNo]) -> Rule:
    def rule(item: Item, prediction: Prediction) -> float | None:
        truth = bare(item.answer)
        return float(parse(prediction.text) is (truth == "yes")) if truth in ("yes", "no") else None

    return rule


def _soft(normaliser: soft.Normaliser) -> Rule:
    def rule(item: Item, prediction: Prediction) -> float | None:
        return soft.soft_accuracy(prediction.text, item.accepted, normaliser) if item.accepted else None

    return rule


def _gqa(item: Item, prediction: Prediction) -> float | None:
    return written.gqa_official(prediction.text, item.answer)


def _short_strict(item: Item, prediction: Prediction) -> float | None:
    return match.exact(prediction.text, (item.answer, *item.accepted))


def _mmmu_official(item: Item, prediction: Prediction) -> float | None:
    if item.kind is Kind.CHOICE:
        return _by_option(options.mmmu_official)(item, prediction)
    return written.mmmu_open_official(prediction.text, (item.answer, *item.accepted))


def _mmmu_strict(item: Item, prediction: Prediction) -> float | None:
    if item.kind is Kind.CHOICE:
        return _by_option(parse_choice)(item, prediction)
    return match.key_fact(prediction.text, (item.answer, *item.accepted))


def _and_or(item: Item, prediction: Prediction) -> float | None:
    return written.and_or(prediction.text, item.answer)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "choice_first_character": _by_option(parse_first_character),
        "mme_official": _by_yes_no(yesno.mme_official),
        "pope_official": _by_yes_no(yesno.pope_official),
        "mmbench_official": _by_option(options.mmbench_official),
        "scienceqa_official": _by_option(options.scienceqa_official),
        "seed_official": _by_option(options.seed_official),
        "mmmu_official": _mmmu_official,
        "gqa_official": _gqa,
        "vqa_official": _soft(soft.Normaliser.OFFICIAL),
        "vqa_evalai": _soft(soft.Normaliser.EVALAI),
        "yesno_strict": _by_yes_no(parse_yes_no),
        "choice_strict": _by_option(parse_choice),
        "mmmu_strict": _mmmu_strict,
        "short_strict": _short_strict,
        "vqa_strict": _soft(soft.Normaliser.ALWAYS),
        "and_or": _and_or,
    }
)
