"""What the model's own log-probabilities say about an answer. Natural logarithms, answer tokens only."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

Mean = Literal["geometric", "arithmetic"]


def probability(token_logprobs: Sequence[float]) -> float:
    """exp(mean log p) = the geometric mean probability of the answer's tokens, in [0, 1].

    Whether EOS is among the tokens is the caller's policy (in this project it is). Average over items afterwards:
    the mean of .9 and .1 is .5, not exp of the pooled mean. Raises ValueError for no tokens, NaN or log p > 0.

    >>> round(probability([-0.693147, -0.693147]), 4)
    0.5
    """
    values = np.asarray(token_logprobs, dtype=float)
    if values.size == 0 or np.isnan(values).any() or (values > 1e-6).any():  # rounding may leave a hair above 0
        raise ValueError("log-probabilities must be a non-empty list of numbers that are not above 0")
    return min(1.0, math.exp(float(values.mean())))


def truth_ratio(right: float, wrong: Sequence[float], *, mean: Mean = "geometric") -> float:
    """r = mean_i p(wrong_i) / p(right), from length-normalised probabilities; 0 and up, 0 = knows the right answer.

    `right` belongs to the paraphrased answer where there is one. The mean is geometric in the code of TOFU, CLEAR,
    FIUBench and open-unlearning, arithmetic in the TOFU paper (Maini et al. 2024, arXiv 2401.06121). Raises
    ValueError without wrong answers or when p(right) is not positive.

    >>> truth_ratio(0.5, [0.1, 0.4]), truth_ratio(0.5, [0.1, 0.4], mean="arithmetic")
    (0.4, 0.5)
    """
    if not wrong or right <= 0:
        raise ValueError("a truth ratio needs wrong answers and a positive probability of the right one")
    return _mean(wrong, mean) / right


def truth_ratio_forget(ratio: float) -> float:
    """min(r, 1/r), in [0, 1]: 1 when right and wrong answers are equally likely, so up is more forgotten.

    >>> truth_ratio_forget(0.2), truth_ratio_forget(5.0)
    (0.2, 0.2)
    """
    return min(ratio, 1 / ratio) if ratio > 0 else 0.0


def truth_ratio_retain(ratio: float) -> float:
    """max(0, 1 − r), in [0, 1]: up is better kept.

    >>> truth_ratio_retain(0.2), truth_ratio_retain(3.0)
    (0.8, 0.0)
    """
    return max(0.0, 1 - ratio)


def truth_share(right: float, wrong: Sequence[float], *, mean: Mean = "geometric") -> float:
    """right / (right + mean of wrong), in [0, 1]: the ratio as a probability. Raises ValueError when both are 0.

    >>> round(truth_share(0.5, [0.1]), 3)
    0.833
    """
    against = _mean(wrong, mean) if wrong else 0.0
    if right + against <= 0:
        raise ValueError("neither the right nor the wrong answers have any probability")
    return right / (right + against)


def _mean(values: Sequence[float], mean: Mean) -> float:
    if mean == "arithmetic":
        return math.fsum(values) / len(values)
    if min(values) <= 0:
        return 0.0
    return math.prod(values) ** (1 / len(values)) if len(values) < 20 else math.exp(float(np.log(values).mean()))


def extraction_strength(right_tokens: Sequence[bool]) -> float | None:
    """1 − k/n with the smallest prefix k of 0…n−1 after which every greedy token is right; 0 if there is none.

    `right_tokens[i]`: the teacher-forced argmax equals answer token i, EOS left out. In [0, 1], up is better
    memorised. None if the answer has no tokens (undefined: count it). Carlini et al. 2021 as in open-unlearning,
    whose code gives 1/n where the last token is wrong.

    >>> extraction_strength([False] * 3 + [True] * 7), extraction_strength([True, False])
    (0.7, 0.0)
    """
    n = len(right_tokens)
    if n == 0:
        return None
    kept = 0
    while kept < n and right_tokens[n - 1 - kept]:
        kept += 1
    return kept / n


def exact_memorisation(right_tokens: Sequence[bool]) -> float | None:
    """Share of teacher-forced argmax tokens that are right, EOS left out, in [0, 1]. None if there are no tokens.

    >>> exact_memorisation([True, True, False, True])
    0.75
    """
    return sum(map(bool, right_tokens)) / len(right_tokens) if len(right_tokens) else None


def masked_perplexity(token_logprobs: Sequence[float], concept: Sequence[bool], vocabulary: int) -> float:
    """exp(−mean log p), where each token of the forgotten concept counts as a uniform draw, 1/|V| (MMUBench, SIU).

    1 and up; down is more fluent. Raises ValueError if the lengths differ or there are no tokens.

    >>> round(masked_perplexity([-1.0, -9.0], [False, True], 100), 3)
    16.487
    """
    values = np.asarray(token_logprobs, dtype=float)
    if values.size == 0 or values.size != len(concept):
        raise ValueError("one concept mark per token, and at least one token")
    return math.exp(-float(np.where(np.asarray(concept, dtype=bool), -math.log(vocabulary), values).mean()))
