"""What predicting needs of a model, whoever runs it: questions in, generations and log-probabilities out. No torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Query:
    """A question about images, named by reference; `prefill` is what its answer begins with."""

    question: str
    images: tuple[str, ...] = ()
    prefill: str = ""


@dataclass(frozen=True, slots=True)
class Generation:
    text: str
    finish_reason: str  # "stop" or "length"


class Answerer(Protocol):
    """`Vlm` is one, in this process; `vllm.Served` is another."""

    def generate(
        self,
        queries: Sequence[Query],
        *,
        max_new_tokens: int,
        batch_size: int = 64,
        on_done: Callable[[int], None] = lambda n: None,
    ) -> list[Generation]:
        """Greedy answers, in the order of the queries."""
        ...

    def answer_logprobs(self, pairs: Sequence[tuple[Query, str]]) -> list[tuple[float, ...]]:
        """Log-probability of each token of each answer, EOS included, in nats."""
        ...
