"""What a piece of work cost. Free of torch, so that reports can read it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """What it took to make an artifact, and what the artifact takes afterwards.

    Making it: answers passed forward and backward (a reference pass before training counts), seconds, parameters that
    were trained, and the peak of memory on the accelerator (0 on a CPU: the store measures the memory of the process).

    Afterwards: `extra_params` are numbers that stay beside the model's own weights when the artifact is mounted
    (a direction, an autoencoder, a classifier), and `inference_overhead` is the time of an answer over that of the
    plain model, minus 1: 0 for a change of weights, 1 where an answer takes twice as long.
    """

    forwards: int = 0
    backwards: int = 0
    seconds: float = 0.0
    trainable_params: int = 0
    peak_device_mb: float = 0.0
    extra_params: int = 0
    inference_overhead: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        """One after the other, and both mounted."""
        return Cost(
            self.forwards + other.forwards,
            self.backwards + other.backwards,
            self.seconds + other.seconds,
            max(self.trainable_params, other.trainable_params),
            max(self.peak_device_mb, other.peak_device_mb),
            self.extra_params + other.extra_params,
            self.inference_overhead + other.inference_overhead,
        )
