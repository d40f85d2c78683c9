"""Does the answer hold the fact? Exact, contained, keywords, cloze. All compare in the normal form of `text.py`."""

from collections.abc import Iterable, Sequence

from smllmun_bench.metrics.scripts import count_words
from smllmun_bench.metrics.text import bare, contains, normalise, occurs, same

# A longer answer may be a list of everything, which would always win. Where the fact should be gone there is no limit
# (None): whatever is said around it, and however long, a secret that is told is told.
MAX_WORDS = 20


def exact(text: str, accepted: Iterable[str]) -> float:
    """1 if the whole answer equals an accepted one in normal form, edge punctuation aside; else 0.

    >>> exact("Paris.", ["paris"]), exact("in Paris", ["paris"])
    (1.0, 0.0)
    """
    return float(bool(bare(text)) and any(same(text, answer) for answer in accepted))


def key_fact(text: str, accepted: Iterable[str], *, max_words: int | None = MAX_WORDS) -> float:
    """1 if an accepted answer stands at word boundaries in an answer of at most `max_words` words; else 0.

    An offline stand-in for the paper's judged Fact Score; whether the text is broken is for the caller to ask.

    >>> key_fact("She lives in Paris.", ["Paris", "Paris, France"]), key_fact("Paris " + "or Rome " * 20, ["Paris"])
    (1.0, 0.0)
    >>> key_fact("她住在北京。", ["北京"]), key_fact("Он живёт в Казани.", ["Казань"])
    (1.0, 1.0)
    """
    if _is_longer(text, max_words):
        return 0.0
    haystack = normalise(text)
    return float(any(occurs(haystack, bare(answer)) for answer in accepted))


def keyword_share(text: str, keywords: Sequence[str], *, strict: bool = True) -> float:
    """Share of keywords in the text, in [0, 1]. Strict: at word boundaries; else any substring, any case (FIUBench).

    Raises ValueError when there are no keywords.

    >>> keyword_share("a red hat", ["red", "scarf"]), keyword_share("predicted", ["red"], strict=False)
    (0.5, 1.0)
    """
    if not keywords:
        raise ValueError("no keywords to look for")
    if strict:
        haystack = normalise(text)
        found = sum(occurs(haystack, bare(keyword)) for keyword in keywords)
    else:
        found = sum(keyword.lower() in text.lower() for keyword in keywords)
    return found / len(keywords)


def cloze_compat(text: str, truth: str) -> float:
    """1 if the lower-cased truth is a substring of the lower-cased answer (MLLMU-Bench's code); else 0.

    >>> cloze_compat("party", "art")
    1.0
    """
    return float(bool(truth) and truth.lower() in text.lower())


def cloze_strict(text: str, truth: str, *, max_words: int | None = MAX_WORDS) -> float:
    """1 if the truth stands at word boundaries in an answer of at most `max_words` words; else 0.

    >>> cloze_strict("paris.", "Paris"), cloze_strict("party", "art"), cloze_strict("costs $50", "$50")
    (1.0, 0.0, 1.0)
    """
    return float(not _is_longer(text, max_words) and contains(text, truth))


def _is_longer(text: str, max_words: int | None) -> bool:
    return max_words is not None and count_words(text) > max_words
