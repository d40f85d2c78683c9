"""What the model said before training, taken once: no second copy of the weights is kept for it."""

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from smllmun_bench.models.cost import Cost
from smllmun_bench.models.vlm import AnswerScores, Vlm
from smllmun_bench.training.examples import Example


def _name(example: Example) -> tuple[str, str, str]:
    return example.key, example.question, example.answer


class Reference:
    """log-probabilities under θ0, looked up by example during training."""

    def __init__(self, vlm: Vlm) -> None:
        self._vlm = vlm
        self.forwards = 0
        self.seconds = 0.0

    @property
    def cost(self) -> Cost:
        return Cost(forwards=self.forwards, seconds=self.seconds)

    def sums(self, examples: Sequence[Example]) -> Callable[[Sequence[Example]], Tensor]:
        """A function from examples to log π_θ0 of their whole answers, shape (items), in nats."""
        started = time.perf_counter()
        rows = self._vlm.answer_logprobs([example.pair for example in examples])
        self._spent(examples, started)
        table = {_name(example): sum(row) for example, row in zip(examples, rows, strict=True)}
        device = self._vlm.device
        return lambda batch: torch.tensor([table[_name(example)] for example in batch], device=device)

    def log_probs(
        self, examples: Sequence[Example], *, chunk: int = 64
    ) -> Callable[[Sequence[Example], Tensor], Tensor]:
        """A function from examples, and the owner of each answer token, to log p_θ0, (tokens, vocabulary)."""
        return self.per_token(examples, lambda batch, scores: scores.logits.log_softmax(-1), chunk=chunk)

    def per_token(
        self, examples: Sequence[Example], make: Callable[[Sequence[Example], AnswerScores], Tensor], *, chunk: int = 64
    ) -> Callable[[Sequence[Example], Tensor], Tensor]:
        """A function from examples, and the owner of each answer token, to what `make` gave for these tokens under θ0.

        `make` gets a batch and its scores, and returns one row for each of their tokens.
        """
        started = time.perf_counter()
        table: dict[tuple[str, str, str], Tensor] = {}
        for at in range(0, len(examples), chunk):
            batch = examples[at : at + chunk]
            with torch.no_grad():
                scores = self._vlm.score_pairs([example.pair for example in batch])
                made = make(batch, scores)
            for index, example in enumerate(batch):
                table[_name(example)] = made[scores.owner == index].cpu()
        self._spent(examples, started)
        device = self._vlm.device

        def look_up(batch: Sequence[Example], owner: Tensor) -> Tensor:
            result = torch.empty((len(owner), next(iter(table.values())).shape[1]), device=device)
            for index, example in enumerate(batch):
                result[owner == index] = table[_name(example)].to(device)
            return result

        return look_up

    def _spent(self, examples: Sequence[Example], started: float) -> None:
        self.forwards += len(examples)
        self.seconds += time.perf_counter() - started
