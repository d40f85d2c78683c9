"""What a piece of work cost. Free of torch, so that reports can read it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Answers passed forward and backward, seconds, and trained parameters."""

    forwards: int = 0
    backwards: int = 0
    seconds: float = 0.0
    trainable_params: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.forwards + other.forwards,
            self.backwards + other.backwards,
            self.seconds + other.seconds,
            max(self.trainable_params, other.trainable_params),
        )
