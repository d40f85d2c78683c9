"""Truth ratio as an `evaluate` module."""

from typing import Any

from smllmun_bench.evaluate_modules.base import NUMBER, NUMBERS, StringMetric, mean
from smllmun_bench.metrics.probability import truth_ratio, truth_ratio_forget, truth_ratio_retain


class TruthRatio(StringMetric):
    """Mean truth ratio (wrong over right) and its forget and retain statistics.

    `predictions`: per item the length-normalised probabilities of the wrong answers; `references`: that of the right
    (paraphrased) one. `average`: geometric (as TOFU's code, default) or arithmetic (as its paper).
    """

    inputs = {"predictions": NUMBERS, "references": NUMBER}
    options = {"geometric": {"average": "geometric"}, "arithmetic": {"average": "arithmetic"}}

    def scores(
        self, *, predictions: list[list[float]], references: list[float], average: Any = "geometric"
    ) -> dict[str, Any]:
        pairs = zip(predictions, references, strict=True)
        ratios = [truth_ratio(right, wrong, mean=average) for wrong, right in pairs]
        return {
            "truth_ratio": mean(ratios),
            "truth_ratio_forget": mean(map(truth_ratio_forget, ratios)),
            "truth_ratio_retain": mean(map(truth_ratio_retain, ratios)),
        }
