"""Sentence BLEU-4 as MLLMU-Bench reports it, as an `evaluate` module."""

from typing import Any

from smllmun_bench.evaluate_modules.base import StringMetric, mean
from smllmun_bench.metrics.bleu import bleu


class Bleu(StringMetric):
    """Mean sentence BLEU-4, one reference, white-space tokens, smoothing method 1; not corpus BLEU."""

    def scores(self, *, predictions: list[str], references: list[str]) -> dict[str, Any]:
        return {"bleu": mean(bleu(p, r) for p, r in zip(predictions, references, strict=True))}
