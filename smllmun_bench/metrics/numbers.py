"""Numbers as numbers of their kind: one spelling of each, and where one stands whole in a text.

A sign, a fraction, a time, a range and a date are one number each: 5 is not said by -5, 1/5, 12:05, 3-5 or 5.12.1991.
"""

import re

_CURRENCY = "$€£¥₹"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b"
)
_POINT_FIRST = re.compile(r"(?<![\w.])\.(?=\d)")  # .5
_LITERAL = re.compile(r"\d+(?:[.,']\d+| \d{3}(?!\d))+")
_COMMAS = re.compile(r"[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}(?:\.\d+)?")  # 85,000; 1,234.50; and lakhs: 12,34,567
_DOTS = re.compile(r"[1-9]\d{0,2}(?:(?:\.\d{3}){2,}(?:,\d+)?|\.\d{3},\d+)")  # 1.234.567; 1.234,50
_GAPS = re.compile(r"[1-9]\d{0,2}(?:(?: \d{3})+|(?:'\d{3})+)(?:[.,]\d+)?")  # 85 000; 85'000
_DECIMAL_COMMA = re.compile(r"(?:\d+,\d{1,2}|0,\d+)")
_DECIMAL = re.compile(r"\d+\.\d+")
_THOUSANDS = re.compile(r"(?<![\d.])([1-9]\d{0,2})\.(\d{3})(?!\.?\d)")  # 85.000 is 85 or, in half of Europe, 85000
_US = re.compile(r"\bus(?=\$)")
_SPACED_CURRENCY = re.compile(rf"(?<=[{_CURRENCY}]) (?=\d)")
_CURRENCY_LAST = re.compile(rf"(?<![\w.,:/{_CURRENCY}])(\d[\d.]*) ?([{_CURRENCY}])(?![\w{_CURRENCY}])")
_PERCENT = re.compile(r"(?<=\d) ?(?:%|percent\b|per cent\b)")
_MINUS = re.compile(rf"(?<![\d%] )\bminus (?=[{_CURRENCY}]?\d)")
_DOTTED_DATE = re.compile(r"(?<![\d.])(\d{1,2})\. ?(\d{1,2})\. ?(\d{4})(?!\.?\d)")
_YEAR_FIRST = re.compile(r"(?<![\d./-])(\d{4})([./-])(\d{1,2})\2(\d{1,2})(?![\d/-]|\.\d)")
_DAY_FIRST = re.compile(r"(?<![\d/])0?(\d{1,2})/0?(\d{1,2})/(\d{4})(?![\d/])")
_DAY_OF_MONTH = re.compile(rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th) (?:of )?(?={_MONTH})")
_MONTH_DAY = re.compile(rf"\b({_MONTH} \d{{1,2}})(?:st|nd|rd|th)\b")
_ZERO_HOUR = re.compile(r"(?<![\d:])0(?=\d:\d\d)")
_BETWEEN = re.compile(rf"\bbetween ([{_CURRENCY}]?\d[\d.]*%?) and (?=[{_CURRENCY}]?\d)")
_TO = re.compile(rf"(\bfrom )?(?<![\d.])([{_CURRENCY}]?\d[\d.]*%?) to (?=[{_CURRENCY}]?\d)")
_SPACED_RANGE = re.compile(rf"(?<=[\d%])(?: - | ?[~〜到至] ?|\.\.+ ?)(?=[{_CURRENCY}]?\d)")
_UNIT = re.compile(  # 5kg is 5 kg; 5m is 5 m, but $5m is money
    rf"(?<![\w.,:/{_CURRENCY}-])(-?\d[\d.]*)(?=(?:[mck]?m|[mk]?g|[mc]?l|lbs?|oz|ft|mi|mph|km/h|m/s|[kmg]?hz|[km]w|[kmgt]b|mins?"
    r"|secs?|hrs?|yrs?|h|s|years?|months?|weeks?|days?|hours?|minutes?|seconds?|miles?|met(?:er|re)s?|feet|inch(?:es)?"
    r"|kilos?|kilograms?|grams?|pounds?|euros?|dollars?|people)\b(?!['’]))"
)
_GLUED = re.compile(r"\d[a-z]")
_DAYTIME = re.compile(r"(\d) ?([ap])\.? ?m\b\.?")  # 9 a.m. is 9am
_FULL_MONTH = {
    month[:length]: month
    for month, length in (
        *((name, 3) for name in ("january", "february", "march", "april", "june", "july", "august", "september")),
        *((name, 3) for name in ("october", "november", "december")),
        ("september", 4),
    )
}
_SHORT = "|".join(_FULL_MONTH)
_NEAR_MONTH = re.compile(rf"\d (?:{_SHORT})\b|(?:{_SHORT})\.?,? \d")
_SHORT_MONTH = re.compile(rf"\b({_SHORT})\b\.?(?=,? \d)|(?<=\d )({_SHORT})\b\.?")

# Without one of these around its digits a text is as it should be: most are, and the patterns above take their time.
_TO_DO = re.compile(
    rf"\d[.,'/:-] ?\d|\d ?[{_CURRENCY}]|\d [\d%-]|\d ?(?:to|and|per)\b|\d ?percent|(?<!\d)\.\d|[{_CURRENCY}] \d"
    rf"|us\$|minus .?\d|\d(?:st|nd|rd|th)\b|\d ?[~〜到至]|\d\.\.|\d[a-z]|\d ?[ap]\.? ?m\b"
    rf"|{_NEAR_MONTH.pattern}"
)

_DIGIT = re.compile(r"\d")
# "5 million" and 5万 do not say 5
_MAGNITUDE = (
    r"(?:hundred|thousand|(?:m|b|tr)illi(?:on|ard)(?:s|en)?|milliarden?|dozen|lakhs?|crores?|mio|mrd|mln|bn)\b"
    r"|тыс|млн|млрд|миллион|миллиард|[百千万萬億亿]|[천만억]|लाख|करोड़|مليون|مليار|ألف|ล้าน|หมื่น|แสน"
)
_LONGEST = 16  # characters beside a number that can belong to it
_PART_BEFORE = re.compile(
    rf"\d[.:/^']$|[\d%]-[{_CURRENCY}]?$|(?:^|[^\w)\]%])-[{_CURRENCY}]?$|\d ?[×*+] ?$|\d x $"
    rf"|(?:(?:^|[ (])(?:<|[<>≤≥]=?)|±) ?[{_CURRENCY}]?$"
)
_PART_AFTER = re.compile(rf"[.:/^']\d|%?-[{_CURRENCY}]?\d| \d{{1,2}}/\d| ?[×*+] ?\d| x \d|[ -]?(?:{_MAGNITUDE})")
_DAY_AND_MONTH = re.compile(r"(?<!\d)\d{1,2}([./-])\d{1,2}\1$|(?<![\d/.])(?:0?[1-9]|1[0-2])/$")
_MONTH_AND_DAY = re.compile(r"([./-])\d{1,2}\1\d{1,2}(?![\d/-]|\.\d)")


def canonical(text: str) -> str:
    """Lower-case text with single spaces in which every number has one spelling; the same text comes back the same.

    Digits ungrouped, a point before decimals and no zeros at their end, currency before and percent behind without a
    space, ISO dates without leading zeros, a hyphen in ranges. One dot before three digits may mean either, and stays
    (`readings`).

    >>> canonical("85 000, 1.234.567, 1'000 and $29.0"), canonical("50 %, 50 € and .5")
    ('85000, 1234567, 1000 and $29', '50%, €50 and 0.5')
    >>> canonical("07.12.1991 at 09:30, 3 to 5 minus 2")
    '1991-12-7 at 9:30, 3-5 minus 2'
    """
    if not _TO_DO.search(text):
        return text
    text = _LITERAL.sub(_plain, _POINT_FIRST.sub("0.", text))
    text = _SPACED_CURRENCY.sub("", _US.sub("", text))
    text = _CURRENCY_LAST.sub(r"\2\1", text)
    text = _MINUS.sub("-", _PERCENT.sub("%", text))
    text = _DOTTED_DATE.sub(lambda d: _date(d[0], d[3], d[2], d[1]), text)
    text = _YEAR_FIRST.sub(lambda d: _date(d[0], d[1], d[3], d[4]), text)
    text = _DAY_FIRST.sub(r"\1/\2/\3", text)
    text = _MONTH_DAY.sub(r"\1", _DAY_OF_MONTH.sub(r"\1 ", text))
    if _NEAR_MONTH.search(text):
        text = _SHORT_MONTH.sub(lambda found: _FULL_MONTH[found[1] or found[2]], text)
    text = _DAYTIME.sub(r"\1 \2m", _ZERO_HOUR.sub("", text))
    if _GLUED.search(text):
        text = _UNIT.sub(r"\1 ", text)
    text = _SPACED_RANGE.sub("-", _BETWEEN.sub(r"\1-", text))
    return _TO.sub(lambda found: found[0] if found[1] else f"{found[2]}-", text)


def has_number(text: str) -> bool:
    return _DIGIT.search(text) is not None


def readings(text: str) -> tuple[str, ...]:
    """The text itself, and where one dot stands before three digits its two meanings: decimals, thousands.

    >>> readings("85.000"), readings("8.5")
    (('85.000', '85', '85000'), ('8.5',))
    """
    if "." not in text or not _THOUSANDS.search(text):
        return (text,)
    return text, _THOUSANDS.sub(lambda n: _without_zeros(n[0]), text), _THOUSANDS.sub(r"\1\2", text)


def stands_whole(text: str, start: int, end: int) -> bool:
    """Whether the numbers at the edges of `text[start:end]` are not parts of longer ones.

    A year may stand in a date. A unit may follow: 5 is said by "5 %".

    >>> [stands_whole(text, text.index("5"), text.index("5") + 1) for text in ("5 km", "-5", "1/5", "5-6", "f-5")]
    [True, False, False, False, True]
    """
    first, last = text[start], text[end - 1]
    numeric_first, numeric_last = first.isdigit() or first in _CURRENCY, last.isdigit() or last == "%"
    if not (numeric_first or numeric_last):
        return True
    before, after = text[max(start - _LONGEST, 0) : start], text[end : end + _LONGEST]
    part_before = numeric_first and bool(_PART_BEFORE.search(before) or _mixed(before, text[start:end]))
    part_after = numeric_last and _PART_AFTER.match(after) is not None
    if not (part_before or part_after):
        return True
    if end - start != 4 or not text[start:end].isdigit():
        return False
    in_front = not part_before or _DAY_AND_MONTH.search(before) is not None
    behind = not part_after or _MONTH_AND_DAY.match(after) is not None
    return in_front and behind and not (part_before and part_after)


def _mixed(before: str, number: str) -> bool:
    """Whether a whole number stands before a fraction: 5 1/2."""
    return before[-1:] == " " and before[-2:-1].isdigit() and re.match(r"\d{1,2}/\d", number) is not None


def _plain(found: re.Match[str]) -> str:
    literal, text = found[0], found.string
    if " " in literal:
        inside = text[: found.start()].rstrip(" ")[-1:].isdigit() or text[found.end() :].lstrip(" ")[:1].isdigit()
        if inside or not _GAPS.fullmatch(literal):
            return " ".join(_number(part) for part in literal.split(" "))
    return _number(literal)


def _number(literal: str) -> str:
    for grouped, mark in ((_COMMAS, ","), (_DOTS, "."), (_GAPS, "'")):
        if grouped.fullmatch(literal):
            return _without_zeros(literal.replace(" ", "").replace(mark, "").replace(",", "."))
    if _DECIMAL_COMMA.fullmatch(literal):
        return _without_zeros(literal.replace(",", "."))
    if _DECIMAL.fullmatch(literal) and not _THOUSANDS.fullmatch(literal):
        return _without_zeros(literal)
    return literal


def _without_zeros(decimal: str) -> str:
    return decimal.rstrip("0").removesuffix(".") if "." in decimal else decimal


def _date(written: str, year: str, month: str, day: str) -> str:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return written
    return f"{year}-{int(month)}-{int(day)}"
