"""Facts about the forgotten people are taught again by their pictures alone, without a name or a text."""

from smllmun_bench.attacks.shared.relearning import Relearning, halves

ATTACK = Relearning(
    "relearn-images",
    "as relearn, from questions about pictures alone",
    lambda data: [row for row in halves(data).taught if row.images],
)
