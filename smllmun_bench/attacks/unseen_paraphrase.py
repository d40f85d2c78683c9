"""The question in words that no model was trained on."""

from collections.abc import Sequence

from pydantic import NonNegativeInt, PositiveInt

from smllmun_bench.attacks.base import AttackConfig, AttackData, AttackNeeds, Family, NotApplicable, Try
from smllmun_bench.attacks.shared.wording import asked


class UnseenParaphraseConfig(AttackConfig):
    """Training takes the first `trained` paraphrases of a question (`training.paraphrases` of a recipe); `most` of the
    others are asked."""

    trained: NonNegativeInt = 1
    most: PositiveInt = 2


class UnseenParaphrase:
    name = "unseen-paraphrase"
    description = "the question in words that were not trained on"
    family = Family.PROMPT
    config = UnseenParaphraseConfig
    needs = AttackNeeds()

    def tries(self, data: AttackData, config: UnseenParaphraseConfig) -> Sequence[Try]:
        last = config.trained + config.most
        tries = [Try(asked(item, text)) for item in data.items for text in item.paraphrases[config.trained : last]]
        if not tries:
            raise NotApplicable(f"no question has more than {config.trained} paraphrases, and those may be trained on")
        return tries


ATTACK = UnseenParaphrase()
