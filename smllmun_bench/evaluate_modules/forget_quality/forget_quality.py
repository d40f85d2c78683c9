"""Distance of two models on the same items as an `evaluate` module."""

from typing import Any

from smllmun_bench.evaluate_modules.base import NUMBER, StringMetric
from smllmun_bench.metrics.distribution import jensen_shannon, jensen_shannon_distance, ks_two_sample


class ForgetQuality(StringMetric):
    """KS D and exact p, and Jensen-Shannon divergence (base 2) and distance, of unlearned against gold values.

    `predictions`: a number per item of the unlearned model (truth ratios for TOFU's forget quality, which is `ks_p`);
    `references`: the gold model's on the same items. p shrinks with n: never compare it across sizes.
    """

    inputs = {"predictions": NUMBER, "references": NUMBER}

    def scores(self, *, predictions: list[float], references: list[float], bins: int = 50) -> dict[str, Any]:
        ks = ks_two_sample(predictions, references)
        return {
            "ks_d": ks.d,
            "ks_p": ks.p,
            "js_divergence": jensen_shannon(predictions, references, bins=bins),
            "js_distance": jensen_shannon_distance(predictions, references, bins=bins),
        }
