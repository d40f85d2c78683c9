"""Names of entities: one spelling for one name, and what makes two names suspiciously alike."""

import re
import unicodedata

_LEADING_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)")
_NO_FRACTION = re.compile(r"(?<=\d)\.0+$")


def normal_id(name: str) -> str:
    """The name without blanks around it, runs of blanks as one, accents composed (NFC).

    >>> normal_id(" p1 "), normal_id("Jose\\u0301") == "José"
    ('p1', True)
    """
    return unicodedata.normalize("NFC", " ".join(name.split()))


def near_id(name: str) -> str:
    """What names that are one person by all appearance have in common: case, blanks, leading zeros and `.0` aside.

    >>> near_id("P01") == near_id("p1"), near_id("0001") == near_id("1.0"), near_id("p10") == near_id("p1")
    (True, True, False)
    """
    folded = "".join(unicodedata.normalize("NFKC", name).casefold().split())
    return _NO_FRACTION.sub("", _LEADING_ZEROS.sub("", folded))
