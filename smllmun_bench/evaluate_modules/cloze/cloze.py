"""Cloze as an `evaluate` module; configurations `strict` (default) and `compat`."""

from typing import Any

from smllmun_bench.evaluate_modules.base import StringMetric, mean
from smllmun_bench.metrics.match import cloze_compat, cloze_strict


class Cloze(StringMetric):
    """Share of blanks filled right. Strict: word boundaries and at most 20 words; compat: substring (MLLMU-Bench)."""

    options = {"strict": {"strict": True}, "compat": {"strict": False}}

    def scores(self, *, predictions: list[str], references: list[str], strict: bool = True) -> dict[str, Any]:
        rule = cloze_strict if strict else cloze_compat
        return {"cloze": mean(rule(p, r) for p, r in zip(predictions, references, strict=True))}
