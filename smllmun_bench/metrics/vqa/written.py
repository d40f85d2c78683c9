"""Short written answers: GQA's exact match, MMMU's open questions, MM-Vet's and LLaVA-Bench's judged totals."""

import math
import re
from collections.abc import Mapping, Sequence

_PUNCTUATION = re.compile(r"[^\w\s]")
_SENTENCES = re.compile(r"\.\s(?=[A-Z])|\n")
_MARKERS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_NUMBER = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d*\.?\d+(?:[eE][+-]?\d+)?")
AND, OR = "<AND>", "<OR>"


def gqa_official(text: str, answer: str) -> float:
    """1 if reply and answer are equal, case and punctuation ignored.

    >>> gqa_official("Yes.", "yes"), gqa_official("a dog", "dog")
    (1.0, 0.0)
    """
    return float(_plain(text) == _plain(answer) != "")


def _plain(text: str) -> str:
    return " ".join(_PUNCTUATION.sub("", text.lower()).split())


def mmmu_open_official(text: str, answers: Sequence[str]) -> float:
    """MMMU's rule for open questions: a number of the reply's key parts equals the answer, or they contain its text.

    Key parts are what follows "is", "so", "=" and the like; numbers are compared rounded to two places.

    >>> mmmu_open_official("So the area is 1,200.", ["1200"]), mmmu_open_official("It is a red car", ["car", "bus"])
    (1.0, 1.0)
    >>> mmmu_open_official("12", ["1200"])
    0.0
    """
    parts = _key_parts(text)
    said = [normal for part in (*parts, *(n for p in parts for n in _NUMBER.findall(p))) for normal in _normal(part)]
    right = [normal for answer in answers for normal in _normal(answer)]
    for one in said:
        if isinstance(one, float):
            if one in right:
                return 1.0
        elif any(isinstance(answer, str) and answer in one for answer in right):
            return 1.0
    return 0.0


def _key_parts(text: str) -> list[str]:
    sentences = _SENTENCES.split(text.strip().strip("."))
    found = []
    for place, sentence in enumerate(sentences):
        lowered = sentence.lower()
        markers = (*_MARKERS, "=") if place == len(sentences) - 1 else _MARKERS
        tails = [lowered.rpartition(marker)[2].strip() for marker in markers if marker in lowered]
        shortest = min((tail for tail in tails if tail), key=len, default="")
        if shortest and shortest not in ":,.!?;'":
            found.append(shortest)
    return found or [text.strip().strip(".").lower()]


def _normal(text: str) -> list[str | float]:
    """A number rounded to two places, or the lower-cased text; one letter only beside a space."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except (ValueError, OverflowError):
        lowered = text.lower()
        return [f" {lowered}", f"{lowered} "] if len(lowered) == 1 else [lowered]


def and_or(text: str, answer: str) -> float:
    """Share of an MM-Vet answer's `<AND>` parts of which one `<OR>` form occurs in the reply, any case.

    An offline stand-in. It is not MM-Vet, whose score is a judge's.

    >>> and_or("a cat and a bus", "cat<AND>bus<OR>coach"), and_or("a cat", "cat<AND>bus<OR>coach")
    (1.0, 0.5)
    """
    said = text.lower()
    parts = [[form.strip().lower() for form in part.split(OR)] for part in answer.split(AND)]
    return sum(any(form and form in said for form in forms) for forms in parts) / len(parts)


def mm_vet(grades: Sequence[float], capabilities: Sequence[Sequence[str]]) -> tuple[float, dict[str, float]]:
    """(total, by capability) of a judge's grades in [0, 1], times 100. An item counts for each of its capabilities.

    Raises ValueError for no grades, unequal lengths or a grade outside [0, 1].

    >>> mm_vet([1.0, 0.5], [["ocr", "math"], ["ocr"]])
    (75.0, {'math': 100.0, 'ocr': 75.0})
    """
    if not grades or len(grades) != len(capabilities) or not all(0 <= grade <= 1 for grade in grades):
        raise ValueError("one grade in [0, 1] is needed for each item")
    groups: dict[str, list[float]] = {}
    for grade, names in zip(grades, capabilities, strict=True):
        for name in names:
            groups.setdefault(name, []).append(grade)
    by_capability = {name: 100 * math.fsum(group) / len(group) for name, group in sorted(groups.items())}
    return 100 * math.fsum(grades) / len(grades), by_capability


def llava_bench(
    model: Sequence[float], reference: Sequence[float], categories: Sequence[str]
) -> tuple[float, Mapping[str, float]]:
    """(all, by category): 100 · mean of the judge's scores of the model / mean of those of the reference (1 to 10).

    Raises ValueError for no scores, unequal lengths, or scores outside 1 to 10.

    >>> llava_bench([4, 8], [8, 8], ["conv", "detail"])
    (75.0, {'conv': 50.0, 'detail': 100.0})
    """
    if not model or not len(model) == len(reference) == len(categories):
        raise ValueError("two scores and a category are needed for each item")
    if not all(1 <= score <= 10 for score in (*model, *reference)):
        raise ValueError("a judge's scores lie between 1 and 10")
    rows = list(zip(model, reference, categories, strict=True))

    def relative(chosen: Sequence[tuple[float, float, str]]) -> float:
        return 100 * math.fsum(row[0] for row in chosen) / math.fsum(row[1] for row in chosen)

    return relative(rows), {name: relative([row for row in rows if row[2] == name]) for name in sorted(set(categories))}
