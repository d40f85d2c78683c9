"""Some facts about the forgotten people are taught again: do the *other* facts about them come back?"""

from smllmun_bench.attacks.shared.relearning import Relearning, halves

ATTACK = Relearning(
    "relearn",
    "half of the facts about every forgotten person are taught again, the others are asked: a curve over steps",
    lambda data: halves(data).taught,
)
