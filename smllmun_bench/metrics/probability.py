"""What the model's own log-probabilities say about an answer. Natural logarithms, answer tokens only."""

import math
import sys
from collections.abc import Sequence
from typing import Literal

import numpy as np

Mean = Literal["geometric", "arithmetic"]
_LARGEST = math.log(sys.float_info.max)


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
    ValueError without wrong answers, for what is no probability (NaN and infinity are named), when p(right) is 0, and
    for a ratio that no float can hold (`log_truth_ratio` can).

    >>> round(truth_ratio(0.5, [0.1, 0.4]), 9), round(truth_ratio(0.5, [0.1, 0.4], mean="arithmetic"), 9)
    (0.4, 0.5)
    >>> round(truth_ratio(math.exp(-150) / 10, [math.exp(-150)] * 5), 9)
    10.0
    """
    if not wrong or right == 0:
        raise ValueError("a truth ratio needs wrong answers and a positive probability of the right one")
    against, known = _log_mean(_logs(wrong, "wrong answer"), mean), _logs([right], "right answer")[0]
    if against - known > _LARGEST:
        raise ValueError(f"the truth ratio is too large for a float: its logarithm is {against - known:g}")
    return math.exp(against - known)


def log_truth_ratio(right: float, wrong: Sequence[float], *, mean: Mean = "geometric") -> float:
    """ln of the truth ratio, from length-normalised log-probabilities (nats): no probability is too small for it.

    Raises ValueError without wrong answers, and for NaN or infinity, which it names.

    >>> round(math.exp(log_truth_ratio(math.log(0.5), [math.log(0.1), math.log(0.4)])), 9)
    0.4
    >>> log_truth_ratio(-1000.0, [-3000.0, -3000.0]), log_truth_ratio(-3000.0, [-1000.0] * 5, mean="arithmetic")
    (-2000.0, 2000.0)
    """
    if not wrong:
        raise ValueError("a truth ratio needs wrong answers")
    for name, value in (("right answer", right), *(("wrong answer", one) for one in wrong)):
        if not math.isfinite(value):
            raise ValueError(f"the log-probability of the {name} is {value}")
    return _log_mean(wrong, mean) - right


def truth_ratio_forget(ratio: float) -> float:
    """min(r, 1/r), in [0, 1]: 1 when right and wrong answers are equally likely, so up is more forgotten.

    Raises ValueError for NaN, infinity and a negative number.

    >>> truth_ratio_forget(0.2), truth_ratio_forget(5.0)
    (0.2, 0.2)
    """
    return min(ratio, 1 / ratio) if _ratio(ratio) > 0 else 0.0


def truth_ratio_retain(ratio: float) -> float:
    """max(0, 1 − r), in [0, 1]: up is better kept. Raises ValueError for NaN, infinity and a negative number.

    >>> truth_ratio_retain(0.2), truth_ratio_retain(3.0)
    (0.8, 0.0)
    """
    return max(0.0, 1 - _ratio(ratio))


def forget_of_log(log_ratio: float) -> float:
    """`truth_ratio_forget` of exp(log_ratio).

    >>> round(forget_of_log(math.log(5.0)), 9), forget_of_log(-2000.0)
    (0.2, 0.0)
    """
    return math.exp(-abs(_finite(log_ratio)))


def retain_of_log(log_ratio: float) -> float:
    """`truth_ratio_retain` of exp(log_ratio).

    >>> round(retain_of_log(math.log(0.2)), 9), retain_of_log(2000.0)
    (0.8, 0.0)
    """
    return 0.0 - math.expm1(min(0.0, _finite(log_ratio)))


def truth_share(right: float, wrong: Sequence[float], *, mean: Mean = "geometric") -> float:
    """right / (right + mean of wrong), in [0, 1]: the ratio as a probability.

    Raises ValueError when both are 0, and for what is no probability.

    >>> round(truth_share(0.5, [0.1]), 3), truth_share(math.exp(-150), [math.exp(-150)] * 5)
    (0.833, 0.5)
    """
    known = _logs([right], "right answer")[0]
    against = _log_mean(_logs(wrong, "wrong answer"), mean) if wrong else -math.inf
    if known == against == -math.inf:
        raise ValueError("neither the right nor the wrong answers have any probability")
    return (1 - math.tanh((against - known) / 2)) / 2


def _logs(probabilities: Sequence[float], name: str) -> list[float]:
    """Natural logarithms, of 0 too. Raises ValueError, naming it, for what is no probability."""
    for value in probabilities:
        if not 0 <= value < math.inf:
            raise ValueError(f"the probability of the {name} is {value}")
    return [math.log(value) if value else -math.inf for value in probabilities]


def _log_mean(logs: Sequence[float], mean: Mean) -> float:
    """ln of the geometric or the arithmetic mean of numbers whose logarithms these are, free of under- and overflow."""
    most = max(logs)
    if mean == "geometric" or most == -math.inf:
        return math.fsum(logs) / len(logs)
    return most + math.log(math.fsum(math.exp(value - most) for value in logs) / len(logs))


def _finite(ratio: float) -> float:
    if not math.isfinite(ratio):
        raise ValueError(f"a truth ratio must be a finite number, not {ratio}")
    return ratio


def _ratio(value: float) -> float:
    if _finite(value) < 0:
        raise ValueError(f"a truth ratio is not below 0: {value}")
    return value


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
