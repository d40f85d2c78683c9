"""Names of entities: one spelling for one name, and what makes two names suspiciously alike."""

import re
import unicodedata

_LEADING_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)")
_NO_FRACTION = re.compile(r"(?<=\d)\.0+$")
_DIGIT = re.compile(r"[^\D0-9]")  # of other scripts: ٣, ३
_JOINED = re.compile(r"(?<=[^\W\d_])[_.\u2010-\u2015-]+(?=\w)|(?<=\w)[_.\u2010-\u2015-]+(?=[^\W\d_])")  # p_1; not 1_0
_APOSTROPHES = str.maketrans("‘’ʼ`´", "'''''")


def normal_id(name: str) -> str:
    """The name without blanks around it, runs of blanks as one, accents composed (NFC).

    >>> normal_id(" p1 "), normal_id("Jose\\u0301") == "José"
    ('p1', True)
    """
    return unicodedata.normalize("NFC", " ".join(name.split()))


def near_id(name: str) -> str:
    """What names that are one person by all appearance have in common: case, blanks, leading zeros and `.0` aside.

    So are what cannot be seen, the kind of digits and of apostrophes, and the sign that joins a word to what follows.

    >>> near_id("P01") == near_id("p1"), near_id("0001") == near_id("1.0"), near_id("p10") == near_id("p1")
    (True, True, False)
    >>> near_id("p_1") == near_id("p1"), near_id("Anna-Lee") == near_id("anna lee"), near_id("1_0") == near_id("10")
    (True, True, False)
    """
    seen = "".join(c for c in name.translate(_APOSTROPHES) if unicodedata.category(c) != "Cf")
    folded = "".join(unicodedata.normalize("NFKC", seen).casefold().split())
    folded = _DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), folded)
    return _NO_FRACTION.sub("", _LEADING_ZEROS.sub("", _JOINED.sub("", folded)))
