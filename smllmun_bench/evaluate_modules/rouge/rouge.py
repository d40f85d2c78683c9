"""ROUGE-1, ROUGE-2 and ROUGE-L as an `evaluate` module."""

from typing import Any

from smllmun_bench.evaluate_modules.base import StringMetric, mean
from smllmun_bench.metrics.rouge import rouge_l, rouge_n


class Rouge(StringMetric):
    """Means of precision, recall and f1 of ROUGE-1, -2 and -L. `stem` (default on): Porter stemmer.

    Equal to the `rouge_score` package, without bootstrap aggregation. A reference without words is an error.
    """

    def scores(self, *, predictions: list[str], references: list[str], stem: bool = True) -> dict[str, Any]:
        pairs = list(zip(predictions, references, strict=True))
        kinds = {
            "rouge1": [rouge_n(p, r, 1, stem=stem) for p, r in pairs],
            "rouge2": [rouge_n(p, r, 2, stem=stem) for p, r in pairs],
            "rougeL": [rouge_l(p, r, stem=stem) for p, r in pairs],
        }
        return {
            f"{kind}_{part}": mean(getattr(score, part) for score in found)
            for kind, found in kinds.items()
            for part in ("precision", "recall", "f1")
        }
