"""What asking needs of a model, whoever runs it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Generation, Query


class Answerer(Protocol):
    """`Vlm` is one, in this process; `vllm.Served` is another."""

    def generate(
        self,
        queries: "Sequence[Query]",
        *,
        max_new_tokens: int,
        batch_size: int = 64,
        on_done: Callable[[int], None] = lambda n: None,
    ) -> "list[Generation]":
        """Greedy answers, in the order of the queries."""
        ...

    def answer_logprobs(self, pairs: "Sequence[tuple[Query, str]]") -> list[tuple[float, ...]]:
        """Log-probability of each token of each answer, EOS included, in nats."""
        ...
