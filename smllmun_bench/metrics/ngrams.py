"""Words in a row, and how many of them two texts share."""

from collections import Counter
from collections.abc import Sequence

Ngram = tuple[str, ...]


def ngrams(tokens: Sequence[str], n: int) -> list[Ngram]:
    """All n tokens in a row, in order; none where there are fewer.

    >>> ngrams(("a", "b", "c"), 2), ngrams(("a",), 2)
    ([('a', 'b'), ('b', 'c')], [])
    """
    return list(zip(*(tokens[start:] for start in range(n)), strict=False))


def in_common(got: Sequence[Ngram], want: Sequence[Ngram]) -> int:
    """How many of `got` are in `want`, each counted at most as often as there (the total of `&` of two counters).

    >>> in_common(ngrams("aab", 1), ngrams("abb", 1))
    2
    """
    left = Counter(want)  # one counter and a loop take half as long as two and their intersection
    common = 0
    for gram in got:
        if left.get(gram, 0):
            left[gram] -= 1
            common += 1
    return common
