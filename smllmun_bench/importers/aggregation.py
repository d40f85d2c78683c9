"""Figures of a whole set, from what the harnesses log in each row: their own formulas, never a mean of rows.

Names are those of lm-evaluation-harness (perplexities) and lmms-eval (POPE, MME). A metric that is not here is either
a number in each row, whose mean it is, or cannot be had from the rows. Rows without what a formula needs come to None.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from smllmun_bench.importers.files import Place, as_number
from smllmun_bench.metrics.vqa.yesno import PER_IMAGE, mme_categories

Logged = Sequence[tuple[object, Place]]  # what each row says under the metric's name, and where
Aggregate = Callable[[Logged], float | None]  # None: the rows do not come to one
_MOST = 700.0  # exp of more is no float


def perplexity(rows: Logged) -> float | None:
    """exp(−mean of the rows' log-likelihoods)."""
    return _exp(-math.fsum(as_number(value, place) for value, place in rows) / len(rows))


def weighted_perplexity(rows: Logged) -> float | None:
    """exp(−Σ log-likelihood / Σ weight) of [log-likelihood, words or bytes] rows."""
    nats = _nats(rows)
    return None if nats is None else _exp(nats)


def bits_per_byte(rows: Logged) -> float | None:
    nats = _nats(rows)
    return None if nats is None else nats / math.log(2)


def _nats(rows: Logged) -> float | None:
    pairs = [
        (as_number(value[0], place.at("0")), as_number(value[1], place.at("1")))
        for value, place in rows
        if isinstance(value, list) and len(value) == 2
    ]
    weight = math.fsum(pair[1] for pair in pairs)
    return -math.fsum(pair[0] for pair in pairs) / weight if len(pairs) == len(rows) and weight > 0 else None


def _exp(value: float) -> float | None:
    return math.exp(value) if value <= _MOST else None


def _pope(figure: Callable[[Counter[tuple[str, ...]]], float]) -> Aggregate:
    """A figure from counts of (prediction, ground truth). A prediction that is neither yes nor no is in no recall."""

    def aggregate(rows: Logged) -> float | None:
        said = _fields(rows, "prediction", "ground_truth")
        return figure(Counter(said)) if said else None

    return aggregate


def _precision(counts: Counter[tuple[str, ...]]) -> float:
    return _share(counts["yes", "yes"], counts["yes", "no"])


def _recall(counts: Counter[tuple[str, ...]]) -> float:
    return _share(counts["yes", "yes"], counts["no", "yes"])


def _f1(counts: Counter[tuple[str, ...]]) -> float:
    precision, recall = _precision(counts), _recall(counts)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _yes_ratio(counts: Counter[tuple[str, ...]]) -> float:
    """lmms-eval's is of the truth, not of the answers."""
    truth = Counter(pair[1] for pair in counts.elements())
    return _share(truth["yes"], truth["no"])


def _share(part: int, rest: int) -> float:
    return part / (part + rest) if part + rest else 0.0


def mme(rows: Logged) -> float | None:
    """Sum over the categories of accuracy and accuracy+ in per cent; None if an image has not two questions."""
    questions = _fields(rows, "category", "question_id")
    if not questions or set(Counter(questions).values()) != {PER_IMAGE}:
        return None
    right = [isinstance(value, dict) and value.get("score") == 1 for value, _ in rows]
    scored = ((category, image, one) for (category, image), one in zip(questions, right, strict=True))
    return math.fsum(category.score for category in mme_categories(scored).values())


def _fields(rows: Logged, *keys: str) -> list[tuple[str, ...]]:
    """The texts under these keys, row by row; empty if a row lacks one."""
    found = []
    for value, _ in rows:
        texts = [value.get(key) for key in keys] if isinstance(value, dict) else []
        known = tuple(text for text in texts if isinstance(text, str))
        if len(known) != len(keys):
            return []
        found.append(known)
    return found


AGGREGATIONS: Mapping[str, Aggregate] = MappingProxyType(
    {
        "perplexity": perplexity,
        "word_perplexity": weighted_perplexity,
        "byte_perplexity": weighted_perplexity,
        "bits_per_byte": bits_per_byte,
        "pope_precision": _pope(_precision),
        "pope_recall": _pope(_recall),
        "pope_f1_score": _pope(_f1),
        "pope_yes_ratio": _pope(_yes_ratio),
        "mme_perception_score": mme,
        "mme_percetion_score": mme,  # so spelt in older logs
        "mme_cognition_score": mme,
    }
)
MEANS = frozenset(("pope_accuracy",))  # the mean of the objects' scores, whatever else they hold
OF_LIKELIHOOD = frozenset(("perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"))
