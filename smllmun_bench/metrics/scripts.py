"""Word boundaries beyond Latin: scripts without spaces, and particles that are written onto words.

Where a script puts no spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese), ICU segments by Unicode's
rules (UAX #29) and its dictionaries; it is loaded when the first such text comes. Korean particles, Arabic and Hebrew
prefixes and Russian cases are attached to words by grammar, so a fact that carries one is still told.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

Span = tuple[int, int]

_ATTACHED = 2  # a word of one letter may be anything, so nothing is taken off around it
_LONG = {"east": 3, "katakana": 3, "south": 6}  # from this length on a word does not stand inside others by accident
_EAST = "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u30fa\u30fc-\u312f\u31a0-\u31ff"
_EAST += "\u3400-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
_SOUTH = "\u0e00-\u0e3a\u0e40-\u0e4e\u0e80-\u0ece\u1000-\u103f\u1050-\u109f\u1780-\u17d3\u1950-\u19df\ua9e0-\uaa7f"
_UNSPACED = re.compile(f"[{_EAST}{_SOUTH}]")
_IS_EAST, _IS_SOUTH = re.compile(f"[{_EAST}]"), re.compile(f"[{_SOUTH}]")
_IS_KATAKANA = re.compile("[\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff]")
_MARKED = re.compile("[\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0dff\u0f00-\u0fff\u1700-\u18ff]")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_STEMMED = (  # Snowball's stemmer of a script
    (re.compile(r"[\u0400-\u052f]"), "russian"),
    (re.compile(r"[\u0370-\u03ff]"), "greek"),
    (re.compile(r"[\u0531-\u058f]"), "armenian"),
    (re.compile(r"[\u0b80-\u0bff]"), "tamil"),
)
_STEMMED_WORD = re.compile(r"[\w\u0b80-\u0bff]+")

# What may follow a place or a person as a part of the same word: "city", "province", "Mr", Thai's sign of abbreviation
_ENDINGS = frozenset("市省县縣区區镇鎮乡鄉村州府県町国國人城岛島山港湾氏君様ฯ")
_ENDINGS_OF_ONE = frozenset("色性")  # 红色 says 红, 男性 says 男

_KOREAN_COPULA = (
    r"(?:입니다|이다|이에요|예요|에요|이야|야|이었습니다|였습니다|이었어요|였어요|이었다|였다|이었고|였고|이며|이고"
    r"|인|인데|일|이라는|라는|이라고|라고|란|이란|이죠|죠|이지만|지만|임|이라서|라서|이어서|여서|이시다|이십니다)"
)
_KOREAN_CASE = (
    r"(?:은|는|이|가|을|를|의|에|에서|에게|에게서|께|께서|한테|도|만|로|으로|와|과|랑|이랑|하고|까지|부터|보다|처럼"
    r"|같이|마다|밖에|조차|마저|나|이나|든지|이든지|라도|이라도|쯤|씩|뿐|대로|엔|에는|에도|에만|에서는|에서도|로는|으로는"
    r"|로서|으로서|로써|으로써|에서의|로부터|으로부터|에게는|이랑은|까지는|부터는|만이|만은|만을)"
)
_KOREAN_ENDINGS = re.compile(
    rf"(?:시|도|군|구|읍|면|동|씨|님|양|군|들|시내|특별시|광역시){{0,2}}(?:이?{_KOREAN_CASE}?{_KOREAN_COPULA}?|하며|하고)"
)
_KOREAN_COPULA_ALONE = re.compile(_KOREAN_COPULA)
_KOREAN_BEFORE = re.compile(r"[\uac00-\ud7a3]{2,}(?:은|는|을|를)")  # 그녀는서울에: a space that was left out
_ARABIC_BEFORE = re.compile(r"(?:[أا])?[وف]?س?(?:[بكل]?(?:ال)?|لل)")
_ARABIC_ENDINGS = re.compile(r"ا?")  # يعمل طبيبا: the accusative; its vowel signs are not written out
_HEBREW_BEFORE = re.compile(r"ו?(?:כש|לכש|מש|של|ש)?[בלמכ]?ה?")
# Postpositions written onto a noun: Bengali, Gujarati, Marathi and Nepali, Telugu, Kannada, Malayalam, Georgian
_POSTPOSITIONS = (
    r"(?:য়ের|য়|য়|তে|ের|ে|র|কে|এর|টি|টা|ও|ই|থেকে)",
    r"(?:માંથી|માં|ની|નો|ના|નું|ને|થી|એ|પર)",
    r"(?:मध्ये|ातील|तील|ातून|हून|ाला|ला|ाचा|ाची|ाचे|चा|ची|चे|ाने|ने|ात|त|वर|मा|ले|को|लाई|बाट)",
    r"(?:లోని|లో|కి|కు|ను|ని|తో|నుండి|నుంచి|గా)",
    r"(?:ಿನಲ್ಲಿ|ದಲ್ಲಿ|ಯಲ್ಲಿ|ನಲ್ಲಿ|ಲ್ಲಿ|ಿನ|ದ|ಯ|ನ|ಗೆ|ಕ್ಕೆ|ಿಗೆ|ವನ್ನು|ಯನ್ನು|ನ್ನು|ಿಂದ)",
    r"(?:യിലെ|യിൽ|ിലെ|ിൽ|ത്തിൽ|ലെ|ൽ|ക്ക്|ന്റെ|യുടെ|ുടെ|െ|യെ|ിന്|ിന്റെ)",
    r"(?:ში|დან|იდან|თან|ისთვის|ის|ზე|მა|ით|ად|ს|ც|შია|ია|ა)",
)
_POSTPOSITION = re.compile("|".join(_POSTPOSITIONS))
_REST_OF_WORD = re.compile(r"[^\W\d_\x00-\u02ff](?:[^\W\d_]|[\u0900-\u0dff\u200c\u200d])*|[\u0900-\u0dff]+")
_GEORGIAN = re.compile(r"[\u10d0-\u10ff]{3,}[იაეო]")
_NUMERAL = re.compile(
    r"[〇零一二三四五六七八九]{2,}|(?:[一二三四五六七八九]十[一二三四五六七八九]?|十[一二三四五六七八九])"
    r"|[一二三四五六七八九十](?=[年月日号號岁歳])|[二三四五六七八九十](?=[个個名口人])"
)
_NUMERALS = dict(zip("〇零一二三四五六七八九", "00123456789", strict=True))
_HALVES = re.compile("[\ud800-\udfff]")
_LETTERS_BEFORE = re.compile(r"[^\W\d_]+\Z")
_LETTERS_AFTER = re.compile(r"[^\W\d_]+")


def is_unspaced(text: str) -> bool:
    """Whether any letter is of a script that puts no spaces between words.

    >>> is_unspaced("她住在 Paris"), is_unspaced("서울에 살아요"), is_unspaced("Zürich")
    (True, False, False)
    """
    return not text.isascii() and _UNSPACED.search(text) is not None


@lru_cache(maxsize=4096)
def segments(text: str) -> tuple[str, ...]:
    """Words and what stands between them, by ICU; together they are as long as the text.

    >>> segments("她住在New York。")
    ('她', '住在', 'New', ' ', 'York', '。')
    """
    from icu4py.breakers import WordBreaker

    # The dictionaries follow the script, so the locale changes no boundary. Half of a surrogate pair is no text to ICU.
    return tuple(WordBreaker(_HALVES.sub("\ufffd", text), "en"))


def unicode_words(text: str) -> list[str] | None:
    """The words of a text in which a pattern would not find them, or None: a pattern will do, and is faster.

    >>> unicode_words("दिल्ली में"), unicode_words("Он врач.")
    (['दिल्ली', 'में'], None)
    """
    if text.isascii() or not (_UNSPACED.search(text) or _MARKED.search(text)):
        return None
    return [part for part in segments(text) if any(map(str.isalnum, part))]


def count_words(text: str) -> int:
    """Words between spaces; where a script has none, by segmentation.

    >>> count_words("She lives in Lyon."), count_words("她住在北京。")
    (4, 3)
    """
    return len(unicode_words(text) or ()) if is_unspaced(text) else len(text.split())


def is_word_sign(character: str) -> bool:
    """Whether a character is a part of a word: a letter, a digit, or a mark that is written onto one; "" is none."""
    return character.isalnum() or (character > "\u02ff" and unicodedata.category(character)[0] == "M")


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` is made of whole words, with what grammar attaches to them left aside.

    >>> said = "他在红星医院工作"
    >>> stands_alone(said, 2, 6), stands_alone("其他人", 1, 2), stands_alone("서울에 살아요", 0, 2)
    (True, False, True)
    >>> stands_alone("وباريس", 1, 6), stands_alone("दिल्ली", 0, 2)
    (True, False)
    """
    left, right = _kind(text, start - 1, start), _kind(text, end, end - 1)
    if not _left_is_free(text, start, end, left) or not _right_is_free(text, end, end - start, right):
        return False
    first = _word_at(text, start) if left == "segmented" else None
    last = _word_at(text, end) if right == "segmented" else None
    return _is_segmented(text, start, end, first, last)


def _kind(text: str, outside: int, inside: int) -> str:
    """What decides whether a word ends between two neighbours: nothing, spaces, attached letters, or segmentation."""
    if not 0 <= outside < len(text) or not is_word_sign(text[outside]):
        return "free"
    out, within = _family(text[outside]), _family(text[inside])
    unspaced = ("east", "katakana", "south")
    if out == within and out in unspaced:
        return "segmented"
    if out in unspaced or within in unspaced:
        return "free"  # 住在New York, 1985年, 東京タワー: where the script changes, a word ends
    return out if out in ("hangul", "arabic", "hebrew") else "closed"


def _family(character: str) -> str:
    if _IS_EAST.match(character):
        return "katakana" if _IS_KATAKANA.match(character) else "east"
    if _IS_SOUTH.match(character):
        return "south"
    if _HANGUL.match(character):
        return "hangul"
    if "\u0590" <= character <= "\u05ff":
        return "hebrew"
    return "arabic" if "\u0600" <= character <= "\u077f" else "spaced"


def _left_is_free(text: str, start: int, end: int, kind: str) -> bool:
    if kind in ("free", "segmented"):
        return True
    before = _LETTERS_BEFORE.search(text, max(start - 12, 0), start)
    if kind == "closed" or before is None or end - start < _ATTACHED:
        return False
    if kind == "hangul":
        return _family(text[start]) != "hangul" or _KOREAN_BEFORE.fullmatch(before[0]) is not None
    if kind == "hebrew":
        return _HEBREW_BEFORE.fullmatch(before[0]) is not None
    return end - start > _ATTACHED and _ARABIC_BEFORE.fullmatch(before[0]) is not None  # a root has three letters


def _right_is_free(text: str, end: int, length: int, kind: str) -> bool:
    if kind in ("free", "segmented"):
        return True
    if kind == "closed":
        rest = _REST_OF_WORD.match(text, end) if length > _ATTACHED else None
        return rest is not None and _POSTPOSITION.fullmatch(rest[0]) is not None
    after = _LETTERS_AFTER.match(text, end)
    if after is None:
        return False
    if kind == "hangul":
        if _family(text[end - 1]) != "hangul":
            return True  # 1985년, New York에
        endings = _KOREAN_ENDINGS if length >= _ATTACHED else _KOREAN_COPULA_ALONE
        return endings.fullmatch(after[0]) is not None
    return kind == "arabic" and length > _ATTACHED and _ARABIC_ENDINGS.fullmatch(after[0]) is not None


def _is_segmented(text: str, start: int, end: int, first: Span | None, last: Span | None) -> bool:
    """Whether no word lies across an end (`first`, `last`), or a name that no dictionary has explains one that does."""
    if first is None and last is None:
        return True
    family = _family(text[start])
    length = end - start
    is_long = length >= _LONG.get(family, length + 1)
    if first is None and last is not None:
        rest = text[end : last[1]]
        if last[0] > start:  # the word begins inside: two readings overlap, and a dictionary prefers its own words
            return length >= _ATTACHED
        return rest in (_ENDINGS if length >= _ATTACHED else _ENDINGS_OF_ONE)
    if first is not None and last is None:
        return is_long and first[1] < end
    return False


def _word_at(text: str, place: int) -> Span | None:
    """The segment that `place` falls into, or None on a boundary."""
    for begin, finish in _spans(text):
        if begin < place < finish:
            return begin, finish
    return None


def _spans(text: str) -> Iterator[Span]:
    begin = 0
    for part in segments(text):
        yield begin, begin + len(part)
        begin += len(part)


def with_digits(text: str) -> str:
    """Years, dates and counts that are written in Chinese numerals, in digits; below a hundred, or figure by figure.

    >>> with_digits("一九八五年十二月三日"), with_digits("三个孩子"), with_digits("一个人住在三亚")
    ('1985年12月3日', '3个孩子', '一个人住在三亚')
    """
    return text if text.isascii() else _NUMERAL.sub(lambda found: _in_digits(found[0]), text)


def _in_digits(numeral: str) -> str:
    tens, ten, ones = numeral.partition("十")
    if not ten:
        return "".join(_NUMERALS[figure] for figure in numeral)
    return _NUMERALS.get(tens, "1") + _NUMERALS.get(ones, "0")


def is_inflected(text: str, phrase: str) -> bool:
    """Whether the phrase stands in the text in another form: another case (Snowball's stems in a row), Arabic لل.

    Cases of Cyrillic, Greek, Armenian and Tamil words; Georgian ones, which lose the nominative's vowel.

    >>> is_inflected("он живет в казани", "казань"), is_inflected("он иванов", "иван")
    (True, False)
    >>> is_inflected("للقاهرة", "القاهرة")
    True
    """
    if phrase.startswith("ال"):
        return re.search(rf"(?<!\w)[وف]?لل{re.escape(phrase[2:])}(?!\w)", text) is not None
    if _GEORGIAN.fullmatch(phrase):
        return re.search(rf"(?<!\w){phrase[:-1]}{_POSTPOSITIONS[-1]}(?!\w)", text) is not None
    language = next((name for script, name in _STEMMED if script.search(phrase) and script.search(text)), None)
    if language is None:
        return False
    said, wanted = _stems(text, language), _stems(phrase, language)
    return any(said[i : i + len(wanted)] == wanted for i in range(len(said) - len(wanted) + 1))


@lru_cache(maxsize=4096)
def _stems(text: str, language: str) -> tuple[str, ...]:
    stem = _stemmer(language)
    return tuple(stem(word) if len(word) > 3 else word for word in _STEMMED_WORD.findall(text))


@lru_cache(maxsize=8)
def _stemmer(language: str) -> Callable[[str], str]:
    from snowballstemmer import stemmer

    stem: Callable[[str], str] = stemmer(language).stemWord
    return stem
