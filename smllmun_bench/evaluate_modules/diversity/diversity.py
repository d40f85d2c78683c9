"""Collapse signs of a set of answers as an `evaluate` module."""

from typing import Any

from smllmun_bench.evaluate_modules.base import STRING, StringMetric, mean
from smllmun_bench.metrics.diversity import distinct_n, same_answer_share, unique_words


class Diversity(StringMetric):
    """Of the answers alone: distinct-1, distinct-2 (means), share of the most frequent answer, unique words."""

    inputs = {"predictions": STRING}

    def scores(self, *, predictions: list[str]) -> dict[str, Any]:
        tokens = [text.casefold().split() for text in predictions]
        return {
            "distinct_1": mean(distinct_n(words, 1) for words in tokens),
            "distinct_2": mean(distinct_n(words, 2) for words in tokens),
            "same_answer": same_answer_share(predictions),
            "unique_words": unique_words(predictions),
        }
