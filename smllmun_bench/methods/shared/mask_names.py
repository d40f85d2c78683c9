"""The names of the masks that `sculpt` knows. Apart from it, so that a config can be read without torch."""

from typing import Literal

Mask = Literal[
    "smfa", "none", "scale", "random", "random_energy", "dare", "conflict", "magnitude", "reversed", "ties",
    "task_arithmetic", "project",
]  # fmt: skip
