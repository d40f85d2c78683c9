"""What an answer says without the marking around it: Markdown, LaTeX, HTML and tags of answers."""

import re

_MARKUP = re.compile(r"[*_`$\\<]|(?:^|\n)\s*[#>•-]")  # without one of these there is nothing to take off
_TAG = re.compile(r"</?(?:final_?answer|answer|b|i|em|strong|code|u|mark|span|p|br|h[1-6])\s*/?>", re.I)
_TAG_BETWEEN_WORDS = re.compile(rf"(?<=[^\W_])(?:{_TAG.pattern})+(?=[^\W_])", re.I)
_LINE = re.compile(r"^[ \t]*(?:#{1,6}|>|[-*•])[ \t]+(?=\S)", re.M)  # a heading, a quotation, a point of a list
_EMPHASIS = re.compile(r"(?<![A-Za-z0-9*_`\\])(\*{1,3}|_{1,3}|`{1,3})(?=\S)(.+?)(?<=\S)\1(?![A-Za-z0-9*_`])", re.S)
_BRACES = re.compile(r"\{\{([^{}]*)\}\}")
_FRACTION = re.compile(r"\\[dt]?frac\{([^{}]+)\}\{([^{}]+)\}")
_COMMAND = re.compile(
    r"\\(?:boxed|fbox|text(?:bf|it|rm|tt|sf)?|math(?:bf|it|rm|tt|sf)|operatorname|emph|underline)\s*\{([^{}]*)\}"
)
# As Pandoc reads it, so that "$5 or $6" stays money: no space inside the signs, no digit after the last.
_MATH = re.compile(r"(?<![\\\w$])(\$\$?)(?=\S)([^$]*?[^\s\\$])\1(?![\d$])|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.S)
_ESCAPED = re.compile(r"\\([$%#&_*])")


def unmarked(text: str) -> str:
    r"""The text without emphasis, code, math, boxes, tags, headings and list signs; what they held stays.

    >>> [unmarked(reply) for reply in ("**C.**", "`A`.", r"$\boxed{\text{B}}$", "<answer>B</answer>", "- Oslo")]
    ['C.', 'A.', 'B', 'B', 'Oslo']
    >>> unmarked("$5 or $6, and 2*3*4"), unmarked(r"$\frac{1}{2}$"), unmarked("snake_case_name")
    ('$5 or $6, and 2*3*4', '1/2', 'snake_case_name')
    """
    while _MARKUP.search(text):
        plain = _FRACTION.sub(r"\1/\2", _COMMAND.sub(r"\1", _BRACES.sub(r"{\1}", text))) if "\\" in text else text
        plain = _TAG.sub("", _TAG_BETWEEN_WORDS.sub(" ", plain)) if "<" in plain else plain
        plain = _MATH.sub(lambda found: found[2] or found[3] or found[4], plain)
        plain = _EMPHASIS.sub(r"\2", _LINE.sub("", plain))
        plain = _ESCAPED.sub(r"\1", plain) if plain == text else plain
        if plain == text:
            break
        text = plain
    return text
