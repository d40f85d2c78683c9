"""Scalars that papers build from columns. For our own aggregate see `aggregate.py`.

Benchmarks that print columns side by side and no scalar get one here, made of their columns with their directions and
equal weights; each says so. All run from 0 to 1, up is better. None: a column is missing.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from smllmun_bench.metrics.distribution import jensen_shannon_distance, ks_two_sample
from smllmun_bench.metrics.pairs import acc_f, acc_r, rl_f, rl_r
from smllmun_bench.metrics.probability import forget_of_log, retain_of_log
from smllmun_bench.metrics.statistics import mean


def overall_understanding(forget: float, retain: float) -> float:
    """S-MLLMUn Bench: mean of understanding on forget and on retain images; the scale of its parts, up is better.

    Inferred from the paper's table (7.02 and 7.33 -> printed 7.17), not quoted from its text.

    >>> overall_understanding(7.02, 7.33)
    7.175
    """
    return (forget + retain) / 2


def overall_memory(gaps: Iterable[tuple[float, float]]) -> float:
    """S-MLLMUn Bench: mean over modalities of (retain − forget); pairs are (forget, retain) of image and text memory.

    0 for an untouched model and for a collapsed one alike. Inferred, consistent with the paper but not verified.
    Raises ValueError without a modality.

    >>> round(overall_memory([(4.73, 6.56), (2.0, 4.77)]), 2)
    2.3
    """
    differences = [retain - forget for forget, retain in gaps]
    if not differences:
        raise ValueError("no modality to compare")
    return math.fsum(differences) / len(differences)


def overall_meaningful(scores: Sequence[float]) -> float:
    """S-MLLMUn Bench: mean Meaningful Score (which splits enter is not stated). Raises ValueError if empty.

    >>> overall_meaningful([1.0, 0.5])
    0.75
    """
    if not scores:
        raise ValueError("no meaningful scores")
    return math.fsum(scores) / len(scores)


def harmonic_mean(parts: Sequence[float]) -> float:
    """n / Σ 1/x: near the weakest part; 0 if any part is 0. Raises ValueError if empty or a part is negative.

    >>> round(harmonic_mean([0.5, 1.0]), 3), harmonic_mean([0.0, 1.0])
    (0.667, 0.0)
    """
    if not parts or min(parts) < 0:
        raise ValueError("a harmonic mean needs parts, none of them negative")
    if min(parts) == 0:
        return 0.0
    # Scaled by the smallest part: 1/x of a denormal number would overflow.
    least = min(parts)
    return least * len(parts) / math.fsum(least / part for part in parts)


def model_utility(parts: Sequence[float]) -> float:
    """TOFU's utility: the harmonic mean of probability, ROUGE-L recall and truth ratio over the non-forget sets.

    >>> model_utility([1.0] * 9)
    1.0
    """
    return harmonic_mean(parts)


@dataclass(frozen=True, slots=True)
class Recall:
    """What a model still says of one group of people, micro over questions, in [0, 1]. None: no such questions.

    `choice`: accuracy. `cloze`: substring. `rouge_f` and `rouge_recall`: ROUGE-L with stemmer on open questions.
    `contained`: the answer occurs in the output, any case. `probability`: exp of the mean log p of the right answer.
    `log_ratios`: ln of the truth ratios r = p(wrong)/p(right) of the open questions; `log_ratios_of_two` the same with
    the geometric mean of two right answers, the reference and its paraphrase. `pairs_right`: (text, image) of one
    fact's choice questions; `pairs_rouge`: (text, image) ROUGE-L F of its open questions.
    """

    choice: float | None = None
    cloze: float | None = None
    rouge_f: float | None = None
    rouge_recall: float | None = None
    contained: float | None = None
    probability: float | None = None
    log_ratios: tuple[float, ...] = ()
    log_ratios_of_two: tuple[float, ...] = ()
    pairs_right: tuple[tuple[bool, bool], ...] = ()
    pairs_rouge: tuple[tuple[float, float], ...] = ()


def _mean_of_all(parts: Sequence[float | None]) -> float | None:
    """None where a part is missing."""
    return None if None in parts else mean(parts)


def _forgotten(value: float | None) -> float | None:
    return None if value is None else 1 - value


def mllmu(forget: Recall, retain: Recall) -> float | None:
    """MLLMU-Bench: mean of choice, cloze and ROUGE-L F, as 1 − x on forget and as x on retain people.

    Reconstruction: the paper (arXiv 2410.22108) prints the columns and no scalar.

    >>> mllmu(Recall(choice=.2, cloze=0., rouge_f=.1), Recall(choice=.9, cloze=.9, rouge_f=.9))
    0.9
    """
    columns = [(r.choice, r.cloze, r.rouge_f) for r in (forget, retain)]
    return _mean_of_all([*map(_forgotten, columns[0]), *columns[1]])


def clear(forget: Recall, retain: Recall, gold_forget: Recall, real: float | None) -> float | None:
    """CLEAR: mean of its four columns Real, Retain, 1 − Forget and forget quality.

    Forget quality is 1 − the natural-log Jensen-Shannon distance of the truth ratios to gold's. Retain and Forget are
    harmonic means of probability, ROUGE-L recall and the truth ratio's mean, max(0, 1 − r) and min(r, 1/r); on forget
    the truth ratio enters as what is still known, 1 − min(r, 1/r). `real` is any accuracy on real questions; ours is
    general VQA. Reconstruction: the columns are the paper's (arXiv 2410.18057), the mean over them and `real` are ours.

    >>> known = Recall(probability=1., rouge_recall=1., log_ratios=(-99., -99.))
    >>> blank = Recall(0, 0, 0, 0, 0, 0., (0., 0.))
    >>> clear(blank, known, blank, 1.0), clear(known, known, blank, 1.0) < 0.6
    (1.0, True)
    """
    if not forget.log_ratios or not gold_forget.log_ratios or not retain.log_ratios:
        return None
    quality = 1 - _distance_of_ratios(forget.log_ratios, gold_forget.log_ratios)
    kept = _mean_of_all([retain_of_log(r) for r in retain.log_ratios])
    known = _forgotten(_mean_of_all([forget_of_log(r) for r in forget.log_ratios]))
    remembered = _harmonic([forget.probability, forget.rouge_recall, known])
    return _mean_of_all(
        [real, _harmonic([retain.probability, retain.rouge_recall, kept]), _forgotten(remembered), quality]
    )


def umu(forget: Recall, retain: Recall) -> float | None:
    """UMU-Bench: mean of AccF, 1 − RLF on forget and AccR, RLR on retain pairs of text and image questions.

    Reconstruction: the four numbers are the authors' code, their mean is ours.

    >>> umu(Recall(pairs_right=((False, False),), pairs_rouge=((0., 0.),)),
    ...     Recall(pairs_right=((True, True),), pairs_rouge=((1., 1.),)))
    1.0
    """
    if not all((forget.pairs_right, forget.pairs_rouge, retain.pairs_right, retain.pairs_rouge)):
        return None
    left = _mean_of_all([rl_f(*pair) for pair in forget.pairs_rouge])
    kept = _mean_of_all([rl_r(*pair) for pair in retain.pairs_rouge])
    return _mean_of_all([acc_f(forget.pairs_right), _forgotten(left), acc_r(retain.pairs_right), kept])


def fiu(forget: Recall, retain: Recall, gold_forget: Recall, real: float | None) -> float | None:
    """FIUBench: mean of utility, forget quality and 1 − exact match on forget people.

    Utility is the harmonic mean of ROUGE-L recall, probability and truth ratio max(0, 1 − r) on retain people and of
    `real`; forget quality is the p of the KS test of truth ratios against gold's. Reconstruction: the parts are the
    paper's (arXiv 2411.03554), the mean over them and `real` (general VQA for MME and POPE) are ours.

    >>> known = Recall(rouge_recall=1., probability=1., log_ratios=(-99., -99.))
    >>> blank = Recall(contained=0., log_ratios=(0., 0.))
    >>> fiu(blank, known, blank, 1.0)
    1.0
    """
    if not forget.log_ratios or not gold_forget.log_ratios or not retain.log_ratios:
        return None
    kept = _mean_of_all([retain_of_log(r) for r in retain.log_ratios])
    utility = _harmonic([retain.rouge_recall, retain.probability, kept, real])
    return _mean_of_all(
        [utility, ks_two_sample(forget.log_ratios, gold_forget.log_ratios).p, _forgotten(forget.contained)]
    )


def open_mm(modalities: Sequence[tuple[Recall, Recall]], general: float | None) -> float | None:
    """Open-MMunlearning without its robustness third: (FQ + MU) / 2, the rule its checkpoints are chosen by.

    (forget, retain) of each modality, text and image; both terms are means over the modalities. FQ = mean of
    mean(1 − cloze, 1 − choice, 1 − ROUGE-L F), truth ratio (raw mean, two right answers), 1 − probability, 1 − D_KS and
    1 − D_JS; both distances are to *the same model's* retain people, JS by the natural log, as in its code. The raw
    mean of truth ratios is capped at 1 here. MU = mean of mean(cloze, choice, ROUGE-L F) on retain people and
    general VQA. Reconstruction of the authors' formulas; no robustness, no celebrities and no test set enter.

    >>> blank = Recall(0., 0., 0., probability=0., log_ratios_of_two=(0., 0.))
    >>> known = Recall(1., 1., 1., log_ratios_of_two=(-99., -99.))
    >>> round(open_mm([(blank, known), (blank, known)], 1.0), 3)
    0.817
    """
    quality = _mean_of_all([_open_mm_quality(forget, retain) for forget, retain in modalities])
    kept = _mean_of_all([_mean_of_all([retain.cloze, retain.choice, retain.rouge_f]) for _, retain in modalities])
    return _mean_of_all([quality, _mean_of_all([kept, general])])


def _open_mm_quality(forget: Recall, retain: Recall) -> float | None:
    ratios, kept_ratios = forget.log_ratios_of_two, retain.log_ratios_of_two
    if not ratios or not kept_ratios:
        return None
    gone = _mean_of_all([_forgotten(part) for part in (forget.cloze, forget.choice, forget.rouge_f)])
    most = max(ratios)
    # 1 is reached as soon as one ratio is as large as their number, so no exp needs to be larger.
    ratio = 1.0 if most > math.log(len(ratios)) else min(1.0, math.fsum(map(math.exp, ratios)) / len(ratios))
    distances = (ks_two_sample(ratios, kept_ratios).d, _distance_of_ratios(ratios, kept_ratios))
    return _mean_of_all([gone, ratio, _forgotten(forget.probability), *map(_forgotten, distances)])


def _distance_of_ratios(logs: Sequence[float], others: Sequence[float]) -> float:
    """Natural-log Jensen-Shannon distance of the ratios themselves; their common scale does not matter."""
    most = max(*logs, *others)
    return jensen_shannon_distance(
        [math.exp(value - most) for value in logs], [math.exp(value - most) for value in others], base=math.e
    )


def smllmun(understanding: float | None, memory: float | None, meaningful: float | None) -> float | None:
    """S-MLLMUn Bench: mean of its three overall scores, from 0 to 1 (the paper's 0 to 10).

    Reconstruction: the paper (arXiv 2511.20196) prints the three side by side, judged by a language model; ours are
    computed offline, and the mean is ours.

    >>> round(smllmun(0.9, 0.6, 0.9), 3)
    0.8
    """
    return _mean_of_all([understanding, memory, meaningful])


def _harmonic(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return harmonic_mean(known) if len(known) == len(parts) else None
