"""Membership inference: does the model treat a text as one it was trained on?

Attack scores take the log-probabilities of one answer's tokens. `auc` and `tpr_at_fpr` want scores where **higher
means member**, so negate losses before.
"""

import math
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


def loss(token_logprobs: Sequence[float]) -> float:
    """Mean negative log-likelihood, in nats per token; lower looks more like a member (Yeom et al. 2018).

    >>> loss([-1.0, -3.0])
    2.0
    """
    return -float(_values(token_logprobs).mean())


def zlib_ratio(token_logprobs: Sequence[float], text: str) -> float:
    """Mean NLL divided by the bytes of the zlib-compressed UTF-8 answer; lower = member (Carlini et al. 2021).

    >>> zlib_ratio([-1.0, -3.0], "abc") == 2.0 / len(zlib.compress(b"abc"))
    True
    """
    return loss(token_logprobs) / len(zlib.compress(text.encode("utf-8")))


def reference_difference(token_logprobs: Sequence[float], reference_logprobs: Sequence[float]) -> float:
    """NLL minus the NLL under a reference model; lower = member.

    >>> reference_difference([-1.0], [-3.0])
    -2.0
    """
    return loss(token_logprobs) - loss(reference_logprobs)


def min_k(token_logprobs: Sequence[float], k: float = 0.2) -> float:
    """Mean of the lowest max(1, floor(k·n)) log-probabilities; higher = member (Shi et al. 2024, arXiv 2310.16789).

    >>> min_k([-1, -2, -3, -4, -5]), min_k([-1, -2, -3, -4, -5], k=0.4)
    (-5.0, -4.5)
    """
    if not 0 < k <= 1:
        raise ValueError(f"k is a share in (0, 1], not {k}")
    values = np.sort(_values(token_logprobs))
    return float(values[: max(1, math.floor(k * values.size + 1e-9))].mean())  # 0.29·100 is 28.999…


def min_k_plus_plus(
    token_logprobs: Sequence[float], mean: Sequence[float], deviation: Sequence[float], k: float = 0.2
) -> float:
    """Min-K over (log p − μ)/σ; higher = member (Zhang et al. 2025, arXiv 2404.02936).

    μ and σ are mean and deviation of log p under the model's full next-token distribution at each token
    (`logprob_moments`). A σ of 0 means a certain model: the token counts as 0.

    >>> min_k_plus_plus([math.log(0.2)], *zip(logprob_moments(np.log([0.8, 0.2]))))
    -2.0
    """
    values, mu, sigma = _values(token_logprobs), np.asarray(mean, dtype=float), np.asarray(deviation, dtype=float)
    if not values.shape == mu.shape == sigma.shape:
        raise ValueError("one mean and one deviation per token")
    return min_k(np.divide(values - mu, sigma, out=np.zeros_like(values), where=sigma > 0).tolist(), k)


def logprob_moments(next_token_logprobs: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of log p when a token is drawn from p itself. Input: log p over the vocabulary.

    >>> mu, sigma = logprob_moments(np.log([0.8, 0.2])); round((math.log(0.8) - mu) / sigma, 6)
    0.5
    """
    p = np.exp(next_token_logprobs)
    finite = np.where(p > 0, next_token_logprobs, 0.0)
    mu = float((p * finite).sum())
    return mu, math.sqrt(float((p * (finite - mu) ** 2).sum()))


def grad_norm(tensor_norms: Sequence[float], *, average: bool = False) -> float:
    """2-norm of one item's loss gradient over all trained parameters, from the 2-norm of each tensor; lower = member.

    `average`: the mean of the tensors' norms instead, as open-unlearning has it; it weighs a bias like a matrix.
    Raises ValueError for no tensors or a negative norm. (Nasr et al. 2019.)

    >>> grad_norm([3.0, 4.0]), grad_norm([3.0, 4.0], average=True)
    (5.0, 3.5)
    """
    norms = _values(tensor_norms)
    if (norms < 0).any():
        raise ValueError("a norm is not negative")
    return float(norms.mean()) if average else math.hypot(*norms.tolist())


class Membership(NamedTuple):
    """What one attack achieves: AUC, true-positive rates at 1 % and 10 % false positives. Safe: .5, low, low."""

    auc: float
    tpr_at_1: float
    tpr_at_10: float


def membership(members: Sequence[float], others: Sequence[float]) -> Membership:
    """All three of forget items against matched non-members of the same form; higher scores mean member.

    >>> membership([0.9, 0.8, 0.1], [0.85, 0.2])
    Membership(auc=0.5, tpr_at_1=0.3333333333333333, tpr_at_10=0.3333333333333333)
    """
    return Membership(auc(members, others), tpr_at_fpr(members, others, 0.01), tpr_at_fpr(members, others, 0.10))


def auc(members: Sequence[float], others: Sequence[float]) -> float:
    """P(member scores higher) + ½ P(tie), by ranks; in [0, 1], .5 = cannot tell. Higher scores mean member.

    >>> auc([0.9, 0.4], [0.5, 0.4]), auc([1, 2], [1, 2])
    (0.625, 0.5)
    """
    x, y = np.sort(_values(members)), np.sort(_values(others))
    wins = np.searchsorted(y, x, side="left").sum() + np.searchsorted(y, x, side="right").sum()
    return float(wins / (2 * x.size * y.size))


def tpr_at_fpr(members: Sequence[float], others: Sequence[float], limit: float) -> float:
    """Highest true-positive rate whose false-positive rate is not above `limit`; no interpolation.

    >>> tpr_at_fpr([0.9, 0.8, 0.1], [0.5, 0.3], 0.1)
    0.6666666666666666
    """
    x, y = _values(members), _values(others)
    best = 0.0
    for threshold in np.unique(x):
        if (y >= threshold).mean() <= limit:
            best = max(best, float((x >= threshold).mean()))
    return best


def privleak(auc_unlearned: float, auc_gold: float) -> float:
    """100 · ((1 − AUC) − (1 − AUC_gold)) / (1 − AUC_gold); 0 = like gold, negative = under-, positive = over-unlearnt.

    Shi et al. 2024 (MUSE, arXiv 2407.06460), whose code feeds 1 − AUC of Min-K 40 %. Raises ValueError at
    AUC_gold = 1.

    >>> round(privleak(0.9, 0.5), 9), privleak(0.5, 0.5)
    (-80.0, 0.0)
    """
    if auc_gold >= 1:
        raise ValueError("privleak is undefined where the gold model separates the sets perfectly")
    return 100 * ((1 - auc_unlearned) - (1 - auc_gold)) / (1 - auc_gold)


def _values(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.size == 0 or np.isnan(array).any():
        raise ValueError("scores must be numbers, at least one, and no NaN")
    return array
