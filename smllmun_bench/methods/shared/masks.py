"""The names of the masks. Free of torch, so that a config can be read without it."""

from typing import Literal

Mask = Literal[
    "smfa", "none", "scale", "random", "random_energy", "dare", "conflict", "magnitude", "reversed", "ties",
    "task_arithmetic", "project",
]  # fmt: skip
