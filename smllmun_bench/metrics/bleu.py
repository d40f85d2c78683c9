"""BLEU-4 as MLLMU-Bench reports it."""

import math

from smllmun_bench.metrics.ngrams import in_common, ngrams


def bleu(prediction: str, reference: str) -> float:
    """Sentence BLEU-4 with one reference: brevity · (p1·p2·p3·p4)^¼ (Papineni et al. 2002).

    White-space tokens, case kept. p_n = clipped n-gram matches / max(1, n-grams of the prediction); a count of 0
    becomes .1 (Chen and Cherry 2014, method 1, as in NLTK). brevity = min(1, exp(1 − |reference|/|prediction|)).
    In [0, 1], up is more alike. 0 when no word is shared or the prediction is empty. Raises ValueError if the
    reference is empty.

    >>> round(bleu("a b c d", "a c d e"), 3)
    0.188
    >>> bleu("", "a c d e")
    0.0
    """
    got, want = prediction.split(), reference.split()
    if not want:
        raise ValueError("reference has no words")
    if not set(got) & set(want):
        return 0.0
    total = 0.0
    for n in (1, 2, 3, 4):
        have, need = ngrams(got, n), ngrams(want, n)
        total += math.log((in_common(have, need) or 0.1) / max(len(have), 1))
    brevity = min(0.0, 1 - len(want) / len(got))
    return math.exp(brevity + total / 4)
