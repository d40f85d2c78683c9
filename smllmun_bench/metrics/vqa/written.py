"""Short written answers: GQA's exact match, MMMU's open questions, MM-Vet's and LLaVA-Bench's judged totals."""

import math
import re
import string
from collections.abc import Mapping, Sequence

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)  # ASCII: other marks stay
_MARKERS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_EXPONENT = r"[eE][+-]?\d+"
_NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),  # grouped; decimals after it are a number of their own
    re.compile(rf"-?\d+(?:\.\d+)?{_EXPONENT}"),
    re.compile(rf"-?(?:\d*\.\d+|\d+\b)(?!{_EXPONENT})(?![,\d])"),
)
AND, OR = "<AND>", "<OR>"


def gqa_official(text: str, answer: str) -> float:
    """lmms-eval's exact match: 1 if both are equal without case and ASCII punctuation, which leaves inner spaces.

    >>> gqa_official("Yes.", "yes"), gqa_official("t-shirt", "tshirt"), gqa_official("a dog", "dog")
    (1.0, 1.0, 0.0)
    >>> gqa_official("yes .", "yes"), gqa_official("yes\u3002", "yes")
    (0.0, 0.0)
    """
    return float(_plain(text.strip()) == _plain(answer))


def _plain(text: str) -> str:
    return text.lower().translate(_NO_PUNCTUATION)


def mmmu_open_official(text: str, answers: Sequence[str]) -> float:
    """MMMU's rule for open questions: a number of the reply's key parts equals the answer, or they contain its text.

    Key parts are what follows "is", "so", "=" and the like in each line; numbers are compared rounded to two places.

    >>> mmmu_open_official("So the area is 1,200.", ["1200"]), mmmu_open_official("It is a red car", ["car", "bus"])
    (1.0, 1.0)
    >>> mmmu_open_official("The cost is 5. Therefore it is 7.", ["5"]), mmmu_open_official("It is 1,234.5", ["1,234"])
    (0.0, 1.0)
    """
    parts = _key_parts(text)
    numbers = [number for part in parts for form in _NUMBERS for number in form.findall(part)]
    said = [normal for part in (*parts, *numbers) for normal in _normal(part)]
    right = [normal for answer in answers for normal in _normal(answer)]
    return float(
        any(
            one in right if isinstance(one, float) else any(isinstance(a, str) and a in one for a in right)
            for one in said
        )
    )


def _key_parts(text: str) -> list[str]:
    """What follows a marker, from each line the shortest, as upstream goes about it; else the whole reply.

    Upstream means to split sentences at a capital letter, but has lower-cased the reply before.
    """
    whole = text.strip().strip(".").lower()
    lines = whole.split("\n")
    found = []
    for place, line in enumerate(lines):
        shortest = ""
        for marker in (*_MARKERS, "=") if place == len(lines) - 1 else _MARKERS:
            if marker in line:
                tail = line.rpartition(marker)[2].strip()
                # An empty tail, at the end of a line, takes the place of a longer one and is replaced by any other.
                shortest = tail if not shortest or len(tail) < len(shortest) else shortest
        if shortest and shortest not in set(":,.!?;'"):
            found.append(shortest)
    return found or [whole]


def _normal(text: str) -> list[str | float]:
    """A number rounded to two places, or the lower-cased text; one letter only beside a space."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
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
