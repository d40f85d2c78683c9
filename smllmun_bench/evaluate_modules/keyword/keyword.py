"""Keyword share as an `evaluate` module; configurations `strict` (default) and `compat`."""

from typing import Any

from smllmun_bench.evaluate_modules.base import STRING, STRINGS, StringMetric, mean
from smllmun_bench.metrics.match import keyword_share


class Keyword(StringMetric):
    """Mean share of keywords found. Strict: at word boundaries; compat: substring, any case (FIUBench).

    `references` are lists of keywords.
    """

    inputs = {"predictions": STRING, "references": STRINGS}
    options = {"strict": {"strict": True}, "compat": {"strict": False}}

    def scores(self, *, predictions: list[str], references: list[list[str]], strict: bool = True) -> dict[str, Any]:
        pairs = zip(predictions, references, strict=True)
        return {"keyword": mean(keyword_share(p, words, strict=strict) for p, words in pairs)}
