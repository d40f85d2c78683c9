"""The Porter stemmer with the extensions that `rouge_score` inherits, so that our ROUGE equals it without NLTK.

Porter 1980, "An algorithm for suffix stripping", plus the deviations of NLTK's `NLTK_EXTENSIONS` mode: a short table
of irregular words, -ies/-ied after one letter, y -> i after any consonant, -alli tried again, -fulli and -logi.
"""

from functools import lru_cache

IRREGULAR = {
    "skies": "sky",
    "dying": "die",
    "lying": "lie",
    "tying": "tie",
    "innings": "inning",
    "outings": "outing",
    "cannings": "canning",
} | {word: word for word in ("sky", "news", "inning", "outing", "canning", "howe", "proceed", "exceed", "succeed")}

Rules = tuple[tuple[str, str], ...]

# In each step the first suffix that fits decides, whether or not its condition then holds; so the order matters.
STEP_2: Rules = (
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("bli", "ble"),
    ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"),
    ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"),
    ("iviti", "ive"), ("biliti", "ble"), ("fulli", "ful"), ("logi", "log"),
)  # fmt: skip
STEP_3: Rules = (
    ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", ""),
)  # fmt: skip
STEP_4: Rules = tuple(
    (suffix, "")
    for suffix in (
        "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate",
        "iti", "ous", "ive", "ize",
    )
)  # fmt: skip


@lru_cache(maxsize=65536)  # texts of one benchmark share a vocabulary; a stem depends on the word alone
def stem(word: str) -> str:
    """The stem of one lower-case word of the characters a-z and 0-9; digits count as consonants.

    >>> [stem(word) for word in ("painted", "relational", "flies", "dying", "agreed", "happy", "hopping")]
    ['paint', 'relat', 'fli', 'die', 'agre', 'happi', 'hop']
    """
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) <= 2:
        return word
    for step in (_plural, _past, _final_y, _double_suffix, _single_suffix, _bare_suffix, _final_e, _final_ll):
        word = step(word)
    return word


def _shape(word: str) -> str:
    """One character per letter: `c` consonant, `v` vowel. A `y` is a vowel exactly after a consonant."""
    shape: list[str] = []
    for letter in word:
        vowel = letter in "aeiou" or (letter == "y" and shape and shape[-1] == "c")
        shape.append("v" if vowel else "c")
    return "".join(shape)


def _measure(word: str) -> int:
    """Porter's m: how many vowel runs are followed by a consonant run."""
    return _shape(word).count("vc")


def _short_end(word: str) -> bool:
    """Porter's *o: ends consonant, vowel, consonant other than w, x, y; or the word is vowel, consonant."""
    shape = _shape(word)
    return shape == "vc" or (shape.endswith("cvc") and word[-1] not in "wxy")


def _plural(word: str) -> str:
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


def _past(word: str) -> str:
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        base = word.removesuffix(suffix)
        if base != word and "v" in _shape(base):
            return _mend(base)
    return word


def _mend(base: str) -> str:
    """Give back what -ed or -ing took: hop(p)ing -> hop, conflat(ed) -> conflate, fil(ing) -> file."""
    if base.endswith(("at", "bl", "iz")):
        return base + "e"
    if len(base) >= 2 and base[-1] == base[-2] and _shape(base)[-1] == "c":
        return base if base[-1] in "lsz" else base[:-1]
    return base + "e" if _measure(base) == 1 and _short_end(base) else base


def _final_y(word: str) -> str:
    base = word[:-1]
    return base + "i" if word.endswith("y") and len(base) > 1 and _shape(base)[-1] == "c" else word


def _double_suffix(word: str) -> str:
    if word.endswith("alli") and _measure(word[:-4]) > 0:
        return _double_suffix(word[:-2])
    for suffix, replacement in STEP_2:
        if word.endswith(suffix):
            kept = word[:-3] if suffix == "logi" else word[: -len(suffix)]  # the l of -logi counts as stem: geo, theo
            return word[: -len(suffix)] + replacement if _measure(kept) > 0 else word
    return word


def _single_suffix(word: str) -> str:
    for suffix, replacement in STEP_3:
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            return base + replacement if _measure(base) > 0 else word
    return word


def _bare_suffix(word: str) -> str:
    for suffix, _ in STEP_4:
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            fits = _measure(base) > 1 and (suffix != "ion" or base[-1] in "st")
            return base if fits else word
    return word


def _final_e(word: str) -> str:
    base = word[:-1]
    if word.endswith("e"):
        measure = _measure(base)
        if measure > 1 or (measure == 1 and not _short_end(base)):
            return base
    return word


def _final_ll(word: str) -> str:
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word
