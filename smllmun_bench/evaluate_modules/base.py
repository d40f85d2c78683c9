"""What all modules share: string inputs, an example in the description, and the mean over the items."""

import abc
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import datasets
import evaluate

STRING = datasets.Value("string")
STRINGS = datasets.Sequence(datasets.Value("string"))
NUMBER = datasets.Value("float64")
INTEGER = datasets.Value("int64")
NUMBERS = datasets.Sequence(datasets.Value("float64"))

# Columns of some modules. `evaluate.combine` hands all columns to every module; those it does not use are let pass.
COLUMNS = frozenset({"predictions", "references", "choices", "questions"})


class StringMetric(evaluate.Metric, abc.ABC):  # type: ignore[misc]  # evaluate is untyped
    """A metric of `smllmun_bench.metrics` as an `evaluate` module.

    A subclass says its columns (`inputs`) and computes a dictionary of numbers. The docstring is the description.
    Options are keyword arguments of `compute`; those of several configurations (`config_name`) are `options`.
    """

    inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]] = {"predictions": STRING, "references": STRING}
    options: Mapping[str, Mapping[str, Any]] = {}

    def _info(self) -> evaluate.MetricInfo:
        layouts = [self.inputs] if isinstance(self.inputs, Mapping) else self.inputs
        features = [datasets.Features(dict(layout)) for layout in layouts]
        if self.config_name not in ("default", *self.options):
            raise ValueError(
                f"{type(self).__name__} has no configuration {self.config_name!r}: {', '.join(self.options) or 'none'}"
            )
        return evaluate.MetricInfo(
            description=(self.__doc__ or "").strip(),
            citation="",
            inputs_description=(self.__doc__ or "").strip(),
            features=features[0] if len(features) == 1 else features,
            license="MIT",
        )

    def _compute(self, **given: Any) -> dict[str, Any]:
        layouts = [self.inputs] if isinstance(self.inputs, Mapping) else self.inputs
        used = {column for layout in layouts for column in layout}
        wanted = {name: value for name, value in given.items() if name in used or name not in COLUMNS}
        return self.scores(**{**self.options.get(self.config_name, {}), **wanted})

    @abc.abstractmethod
    def scores(self, *args: Any, **given: Any) -> dict[str, Any]:
        """The numbers, by name. Gets the columns, and the options of the configuration or of the call."""


def mean(values: Iterable[float]) -> float:
    """The plain mean over items, exact sums. Raises ValueError for none."""
    found = list(values)
    if not found:
        raise ValueError("no predictions to score")
    return math.fsum(found) / len(found)


def listed(reference: str | Sequence[str]) -> list[str]:
    """A reference, or the several accepted ones, as a list."""
    return [reference] if isinstance(reference, str) else list(reference)
