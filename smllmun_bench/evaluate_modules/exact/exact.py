"""Exact match as an `evaluate` module."""

from typing import Any

from smllmun_bench.evaluate_modules.base import STRING, STRINGS, StringMetric, listed, mean
from smllmun_bench.metrics.match import exact


class Exact(StringMetric):
    """Share of predictions that equal an accepted answer in normal form, edge punctuation aside.

    A reference is a string or a list of accepted strings.
    """

    inputs = ({"predictions": STRING, "references": STRING}, {"predictions": STRING, "references": STRINGS})

    def scores(self, *, predictions: list[str], references: list[Any]) -> dict[str, Any]:
        return {"exact": mean(exact(p, listed(r)) for p, r in zip(predictions, references, strict=True))}
