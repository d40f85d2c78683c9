"""Membership inference as an `evaluate` module."""

from typing import Any

from smllmun_bench.evaluate_modules.base import INTEGER, NUMBER, StringMetric
from smllmun_bench.metrics.mia import auc, tpr_at_fpr


class Membership(StringMetric):
    """AUC of members against non-members, and TPR at 1 % and 10 % FPR.

    `predictions`: attack scores, higher means member (negate losses); `references`: 1 member, 0 matched non-member.
    """

    inputs = {"predictions": NUMBER, "references": INTEGER}

    def scores(self, *, predictions: list[float], references: list[int]) -> dict[str, Any]:
        pairs = list(zip(predictions, references, strict=True))
        members, others = ([score for score, label in pairs if label == is_member] for is_member in (1, 0))
        return {
            "auc": auc(members, others),
            "tpr_at_fpr_01": tpr_at_fpr(members, others, 0.01),
            "tpr_at_fpr_10": tpr_at_fpr(members, others, 0.10),
        }
