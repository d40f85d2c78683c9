"""Logistic regression, small and exact: enough to ask whether two kinds of answers can be told apart."""

import numpy as np


def fit_logistic(features: np.ndarray, labels: np.ndarray, *, penalty: float = 1.0, rounds: int = 50) -> np.ndarray:
    """Weights (d + 1, the intercept last) that minimise Σ log(1 + exp(−y·f)) + penalty/2·|w|², y = ±1, by Newton steps.

    `features` (n, d), `labels` (n) of 0 and 1; the intercept is not penalised. Raises ValueError for one class alone.

    >>> weights = fit_logistic(np.array([[0.0], [1.0], [0.0], [1.0]]), np.array([0, 1, 0, 1]))
    >>> bool(weights[0] > 0), bool(abs(weights[0] / 2 + weights[1]) < 1e-9)
    (True, True)
    """
    if len(np.unique(labels)) != 2:
        raise ValueError("two classes are needed")
    x = np.hstack([features, np.ones((len(features), 1))])
    ridge = np.full(x.shape[1], float(penalty))
    ridge[-1] = 1e-9
    weights = np.zeros(x.shape[1])
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (p - labels) + ridge * weights
        step = np.linalg.solve((x.T * (p * (1 - p))) @ x + np.diag(ridge), gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-10:
            break
    return weights


def logits(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """w·x + b of every row."""
    found: np.ndarray = features @ weights[:-1] + weights[-1]
    return found
