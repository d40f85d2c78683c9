"""Key fact as an `evaluate` module."""

from typing import Any

from smllmun_bench.evaluate_modules.base import STRING, STRINGS, StringMetric, listed, mean
from smllmun_bench.metrics.match import MAX_WORDS, key_fact


class KeyFact(StringMetric):
    """Share of predictions that hold an accepted answer at word boundaries, in at most `max_words` words (20).

    A reference is a string or a list of accepted strings. An offline stand-in for a judged fact score.
    """

    inputs = ({"predictions": STRING, "references": STRING}, {"predictions": STRING, "references": STRINGS})

    def scores(self, *, predictions: list[str], references: list[Any], max_words: int = MAX_WORDS) -> dict[str, Any]:
        pairs = zip(predictions, references, strict=True)
        return {"key_fact": mean(key_fact(p, listed(r), max_words=max_words) for p, r in pairs)}
