"""Yes-or-no questions as an `evaluate` module; configurations `strict` (default) and `compat`."""

from typing import Any

from smllmun_bench.evaluate_modules.base import StringMetric, mean
from smllmun_bench.metrics.choice import UNPARSED, parse_yes_no
from smllmun_bench.metrics.text import bare
from smllmun_bench.metrics.vqa.yesno import pope_official, pope_scores


class YesNoScores(StringMetric):
    """Accuracy, precision, recall, F1 (yes is positive), yes-ratio of the answers, and the unparsed share.

    Strict: what cannot be read is wrong; compat: POPE's rule, which reads it as yes. `references`: yes or no.
    """

    options = {"strict": {"strict": True}, "compat": {"strict": False}}

    def scores(self, *, predictions: list[str], references: list[str], strict: bool = True) -> dict[str, Any]:
        truths = [bare(reference) for reference in references]
        if odd := set(truths) - {"yes", "no"}:
            raise ValueError(f"references must be yes or no, not {sorted(odd)[0]!r}")
        said = [parse_yes_no(text) if strict else pope_official(text) for text in predictions]
        found = pope_scores(said, [truth == "yes" for truth in truths])
        return {
            "accuracy": found.accuracy,
            "precision": found.precision,
            "recall": found.recall,
            "f1": found.f1,
            "yes_ratio": found.yes_ratio,
            "unparsed": mean(float(one is UNPARSED) for one in said),
        }
