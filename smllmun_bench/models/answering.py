"""What predicting needs of a model, whoever runs it: questions in, generations and log-probabilities out. No torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Draw:
    """How an answer is drawn. `seed` alone decides about chance, whatever else is asked with it."""

    temperature: float
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.temperature <= 0 or not 0 <= self.top_p <= 1:
            raise ValueError(f"temperature {self.temperature} and top-p {self.top_p} draw nothing")


@dataclass(frozen=True, slots=True)
class Query:
    """A question about images, named by reference; `prefill` is what its answer begins with; without `draw` it is the
    greedy one."""

    question: str
    images: tuple[str, ...] = ()
    prefill: str = ""
    draw: Draw | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    text: str
    finish_reason: str  # "stop" or "length"


class Answerer(Protocol):
    """`Vlm` is one, in this process; `vllm.Served` is another."""

    @property
    def positions(self) -> int | None:
        """Tokens that a prompt with its answer may take; None where nobody says, or longer ones are refused anyway."""
        ...

    def length(self, query: Query, answer: str | None = None) -> int:
        """Tokens of a prompt, with the answer that is scored to it."""
        ...

    def generate(
        self,
        queries: Sequence[Query],
        *,
        max_new_tokens: int,
        batch_size: int = 64,
        on_done: Callable[[int], None] = lambda n: None,
    ) -> list[Generation]:
        """Answers in the order of the queries, greedy but where a query says how to draw."""
        ...

    def answer_logprobs(self, pairs: Sequence[tuple[Query, str]]) -> list[tuple[float, ...]]:
        """Log-probability of each token of each answer, EOS included, in nats."""
        ...
