"""General questions are trained on, as a user who adapts the model would: does that alone bring a memory back?"""

from smllmun_bench.attacks.shared.relearning import Relearning

ATTACK = Relearning(
    "relearn-unrelated",
    "general questions are trained on, the forgotten facts are asked: a curve over steps",
    lambda data: data.general_rows,
)
