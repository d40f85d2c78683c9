"""Random streams that depend on names, not on the order in which things are asked for."""

import hashlib
import random

import numpy as np


def stable_int(*parts: object) -> int:
    """A 64-bit number that depends on the text of `parts` alone; the same on every machine and in every process."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def stable_random(*parts: object) -> random.Random:
    """A standard-library stream for picking words and orders."""
    return random.Random(stable_int(*parts))


def stable_generator(*parts: object) -> np.random.Generator:
    """A numpy stream for drawing photos."""
    return np.random.Generator(np.random.PCG64(stable_int(*parts)))
