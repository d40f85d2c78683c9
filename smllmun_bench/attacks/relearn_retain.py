"""Only facts about other people are taught again: what comes back was never gone, the format was."""

from smllmun_bench.attacks.shared.relearning import Relearning

ATTACK = Relearning(
    "relearn-retain",
    "facts about retained people are taught again, the forgotten ones are asked: a curve over steps",
    lambda data: data.retain_rows,
)
