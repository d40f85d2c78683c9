"""Is a judge's reply a rating? Read strictly: a guess here would be a score that nobody gave."""

import re

_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_RATING = re.compile(r"(?:(?:rating|score)\s*[:=]\s*)?(\d{1,3})(?:\s*/\s*(\d{1,3}))?\.?", re.IGNORECASE)


def parse_rating(text: str, lowest: int, highest: int) -> int | None:
    """The whole number that is the whole reply, or None.

    `7`, `7.`, `**7**`, `7/10`, `Rating: 7` are read (a leading <think> part is passed over). Fractions, ranges, two
    numbers, words around the number and numbers off the scale are not.

    >>> [parse_rating(text, 0, 10) for text in ("7", "**7**", "Rating: 7/10", " 10.\\n", "<think>3?</think> 4")]
    [7, 7, 7, 10, 4]
    >>> [parse_rating(text, 0, 10) for text in ("7.5", "7-8", "11", "I rate it 7", "7/100", "seven", "")]
    [None, None, None, None, None, None, None]
    """
    found = _RATING.fullmatch(_THOUGHT.sub("", text).strip().strip("*_`").strip())
    if found is None or (found[2] is not None and int(found[2]) != highest):
        return None
    rating = int(found[1])
    return rating if lowest <= rating <= highest else None
